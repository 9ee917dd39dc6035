# needs: ssh-keygen=openssh-client ssh-agent=openssh-client ssh-add=openssh-client
# varies: allowed key key.pub other other.pub signed.sig key-cert.pub
set -eu
ssh-keygen -q -t ed25519 -N '' -C test -f key; ssh-keygen -q -t rsa -b 2048 -N secret -C other -f other
ls -l key key.pub | cut -d' ' -f1
ssh-agent -a "$PWD/agent.sock" >agent.env; . ./agent.env >/dev/null
trap 'kill $SSH_AGENT_PID 2>/dev/null || true' EXIT
ssh-add -l || echo "status $?"
ssh-add -q key && ssh-add -l | sed 's/SHA256:[^ ]*/HASH/'
printf '#!/bin/sh\necho secret\n' >ask && chmod +x ask; SSH_ASKPASS=$PWD/ask SSH_ASKPASS_REQUIRE=force ssh-add -q other; ssh-add -L | wc -l
echo message >signed; ssh-keygen -q -Y sign -f key.pub -n file signed 2>/dev/null
echo "me $(cut -d' ' -f1,2 key.pub)" >allowed; ssh-keygen -Y verify -f allowed -I me -n file -s signed.sig <signed | sed 's/SHA256:.*/HASH/'
echo changed | ssh-keygen -Y verify -f allowed -I me -n file -s signed.sig || echo "status $?"
ssh-keygen -q -s other -P secret -I identity -n me key.pub && ssh-keygen -L -f key-cert.pub | grep 'Key ID'
ssh-add -x <<<'' 2>/dev/null || echo "lock $?"; ssh-add -D 2>/dev/null; ssh-add -l || echo "status $?"
ssh -F none -o BatchMode=yes -o ConnectTimeout=2 -p 1 127.0.0.1 true 2>&1 | sed 's/^ssh: //' || true
ssh -F none -o BatchMode=yes -o UserKnownHostsFile=known -o ProxyCommand='echo SSH-2.0-none; cat' host true 2>/dev/null || echo "status $?"
ssh-keygen -y -f key | cmp - <(cut -d' ' -f1-3 key.pub) && ssh-keygen -lf key.pub | cut -d' ' -f1,3-
ssh-agent -k >/dev/null; for _ in $(seq 200); do ssh-add -l >/dev/null 2>&1 || [ -e agent.sock ] && sleep 0.01 || break; done; rm -f agent.env
