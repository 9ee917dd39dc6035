# needs: perl
set -eu
cat >all.pl <<'P'
use strict; use warnings; use Fcntl qw(:flock :DEFAULT); use POSIX qw(:sys_wait_h mkfifo); use File::Temp; use File::Find; use File::Copy; use File::Path;
use Socket; use IO::Socket::INET; use IO::Socket::UNIX; use IPC::Open3; use Cwd;
$| = 1;
open(my $out, '>', 'file') or die $!; print $out "line $_\n" for 1 .. 100; close $out;
open(my $in, '<', 'file') or die $!; my @lines = <$in>; print scalar(@lines), " lines\n";
sysopen(my $excl, 'file', O_CREAT | O_EXCL | O_RDWR) or print "exclusive: $!\n";
open(my $missing, '<', 'missing') or print "missing: $!\n";
my $pid = fork // die; if (!$pid) { exit 7 } waitpid $pid, 0; print "child ", $? >> 8, "\n";
print `echo from a shell`; system('exit 3'); print "system ", $? >> 8, "\n";
open(my $pipe, '-|', 'sort -rn') || die if 0; open(my $list, '-|', qw(seq 5)) or die; print "piped ", join(',', map { chomp; $_ } <$list>), "\n"; close $list;
my $p = open3(my $to, my $from, undef, 'tr', 'a-z', 'A-Z'); print $to "shout\n"; close $to; print <$from>; waitpid $p, 0;
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print "got $@";
local $SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$;
mkpath('a/b/c'); open(my $deep, '>', 'a/b/c/x'); close $deep; find(sub { print "$File::Find::name\n" if -f }, 'a'); rmtree('a');
copy('file', 'copy') or die; move('copy', 'moved') or die; print -s 'moved', "\n"; utime 1e9, 1e9, 'moved'; chmod 0640, 'moved'; symlink 'moved', 'link'; print readlink 'link', "\n";
flock($in, LOCK_EX) and print "locked\n"; my $temp = File::Temp->new(DIR => ".", UNLINK => 1); print $temp "x"; truncate 'moved', 10; print -s 'moved', "\n";
mkfifo('fifo', 0600) or die; if (!fork) { open(my $w, '>', 'fifo'); print $w "through the fifo\n"; exit 0 } open(my $r, '<', 'fifo'); print <$r>; close $r; wait; unlink 'fifo';
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die; my $port = $server->sockport;
if (!fork) { my $c = IO::Socket::INET->new("127.0.0.1:$port") or die; print $c "hello\n"; print scalar <$c>; exit 0 } my $c = $server->accept; print "server: ", scalar <$c>; print $c "answer\n"; close $c; wait;
my $unix = IO::Socket::UNIX->new(Local => 'sock', Listen => 1) or die; my $peer = IO::Socket::UNIX->new('sock') or die; my $got = $unix->accept; print $peer "unix\n"; $peer->flush; print scalar <$got>; unlink 'sock';
my $dead = IO::Socket::INET->new('127.0.0.1:1') or print "refused: $!\n"; rename 'moved', 'nowhere/x' or print "rename: $!\n"; rmdir 'missing' or print "rmdir: $!\n"; mkdir 'file' or print "mkdir: $!\n";
print join(" ", map { sprintf "%o", (stat $_)[2] } "moved", "file"), "\n"; undef $temp; exec "sh", "-c", q(echo exec $0 $1), "zero", "one";
P
perl all.pl
perl -MData::Dumper -MStorable -MList::Util=sum -MEncode -MDigest::SHA=sha1_hex -e 'store [1, 2], "stored"; print sum(@{retrieve "stored"}), " ", sha1_hex("x"), "\n"'
perl -i.bak -pe 's/line/row/' file && head -2 file && perl -ne 'print if eof' file.bak
