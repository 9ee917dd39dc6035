import AgentshSystem
import Testing

@Suite struct FeaturesTests {
  @Test func probingChangesNothingInThisProcess() throws {
    let first = HostFeatures.probe()
    // A filter or no_new_privs that stayed behind would make the second probe answer EBUSY.
    #expect(HostFeatures.probe() == first)
  }

  @Test func manyThreadsThatProbeAtOnceFindTheSame() async throws {
    let first = HostFeatures.probe()
    let differing = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask { (0..<20).count { _ in HostFeatures.probe() != first } }
      }
      return await group.reduce(0, +)
    }
    #expect(differing == 0)
  }

  @Test func everyFeatureSaysWhatItIsForAndIsNamedOnce() {
    let features = HostFeatures.probe().features
    #expect(Set(features.map(\.name)).count == features.count)
    for feature in features { #expect(!feature.neededFor.isEmpty && !feature.detail.isEmpty, "\(feature.name)") }
  }

  @Test func aMissingRequiredFeatureIsNamed() {
    let features = HostFeatures.probe()
    #expect(features.missingRequired == features.features.filter { $0.required && !$0.available })
    #expect(features["listener"]?.required == true)
    #expect(features["no such feature"] == nil)
    #expect(features.features.filter(\.isServers).map(\.name) == ["landlock", "cgroup", "attestation"])
  }

  @Test(arguments: [(0, ""), (1, "files"), (4, "files, moving between directories, truncation, TCP ports")] as [(Int32, String)])
  func landlockIsDescribedByWhatItsVersionAdds(abi: Int32, summary: String) {
    #expect(LandlockABI(rawValue: abi).summary == summary)
  }
}
