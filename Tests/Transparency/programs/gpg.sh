# needs: gpg gpg-agent gpgconf gpg-connect-agent=gpgconf
# varies: gnupg/* *.asc *.gpg *.sig
# absent: gnupg/*
set -eu
export GNUPGHOME=$PWD/gnupg
mkdir -m 700 gnupg
# Without a count the agent measures for seconds how many rounds are slow enough.
echo s2k-count 65536 >gnupg/gpg-agent.conf
gpg() { command gpg --s2k-count 65536 --batch --no-tty --quiet --pinentry-mode loopback --passphrase secret "$@" 2>&1; }
trap 'gpgconf --kill all' EXIT
gpg --quick-generate-key 'Test <test@example.org>' ed25519 default never | sed 's/[0-9A-F]\{40\}/KEY/; s,.*/gnupg,gnupg,'
gpg --list-keys --with-colons | grep -c '^pub'
echo text >plain
gpg --clearsign --output plain.asc plain; gpg --verify plain.asc | grep -c 'Good signature'
gpg --detach-sign --output plain.sig plain && gpg --verify plain.sig plain | grep -c 'Good signature'
echo other >>plain; gpg --verify plain.sig plain | grep -c 'BAD signature'
gpg --quick-generate-key 'Other <other@example.org>' rsa2048 encrypt never | sed 's/[0-9A-F]\{40\}/KEY/; s,.*/gnupg,gnupg,'
gpg --trust-model always --recipient other@example.org --output plain.gpg --encrypt plain && gpg --decrypt plain.gpg
gpg --symmetric --cipher-algo AES256 --output s.gpg plain && gpg --decrypt s.gpg
gpg --export --armor test@example.org >exported.asc && gpg --delete-secret-and-public-key --yes "$(gpg --list-keys --with-colons test@example.org | awk -F: '/^fpr/ { print $10; exit }')"
gpg --import exported.asc >/dev/null && gpg --list-secret-keys --with-colons | grep -c '^sec'
gpg-connect-agent 'getinfo socket_name' /bye | sed 's,.*/gnupg,gnupg,'
gpg --print-md sha256 plain
