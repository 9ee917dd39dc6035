import Glibc

// fuzz TARGET [libFuzzer's own arguments]: `make fuzz` calls it. `fuzz --list` names the targets, `fuzz TARGET --dictionary` prints one's words.

let words = CommandLine.arguments.dropFirst()
if words.elementsEqual(["--list"]) {
  for target in FuzzTarget.all { print(target.name) }
  exit(0)
}
guard let target = Chosen.target else {
  print("usage: fuzz TARGET [ARGUMENT…] | TARGET --dictionary | --list")
  exit(2)
}
if words.last == "--dictionary" {
  for word in target.dictionary { print("\"\(word)\"") }
  exit(0)
}
exit(Chosen.run())
