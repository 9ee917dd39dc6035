import Testing

@testable import AgentshAudit

@Suite struct AuditTimeTests {
  @Test(arguments: [
    (0, 0, "1970-01-01T00:00:00.000000000Z"), (951_782_399, 999_999_999, "2000-02-28T23:59:59.999999999Z"),
    (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"), (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
    (1_709_164_800, 5, "2024-02-29T00:00:00.000000005Z"), (1_704_067_199, 0, "2023-12-31T23:59:59.000000000Z"),
    (2_147_483_648, 0, "2038-01-19T03:14:08.000000000Z"), (253_402_300_799, 0, "9999-12-31T23:59:59.000000000Z"),
    (.max, .max, "9999-12-31T23:59:59.999999999Z"), (.min, .min, "1970-01-01T00:00:00.000000000Z"),
  ] as [(Int64, Int64, String)])
  func aTimeIsWrittenAsRFC3339(seconds: Int64, nanoseconds: Int64, text: String) {
    #expect(AuditTime(seconds: seconds, nanoseconds: nanoseconds).text == text)
  }

  /// Walks every day of 400 years with a calendar of its own and compares.
  @Test func everyDayOfACalendarsCycleIsRight() {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    var (year, month, day) = (1970, 1, 1)
    for number in 0..<146_097 {
      let text = AuditTime(seconds: Int64(number) * 86_400, nanoseconds: 0).text.prefix(10)
      let parts = text.split(separator: "-").compactMap { Int($0) }
      guard parts == [year, month, day] else {
        Issue.record("day \(number) is written \(text)")
        return
      }
      let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
      day += 1
      if day > lengths[month - 1] + (month == 2 && isLeap ? 1 : 0) { (month, day) = (month + 1, 1) }
      if month > 12 { (year, month) = (year + 1, 1) }
    }
  }
}
