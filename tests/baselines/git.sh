# Version control as an agent does it: commits, branches, hooks, a stash, a rebase, maintenance, a clone that is thrown away.
set -e
git init -q -b main repo && cd repo
git config user.name a && git config user.email a@example.org
for i in $(seq 120); do echo "line $i" > "file-$i.txt"; done
git add -A && git commit -qm "first"
printf '#!/bin/sh\ntrue\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
git checkout -q -b feature
for i in $(seq 40); do echo changed > "file-$i.txt"; done
git commit -qam "second"
git rm -q 'file-9*.txt' && git commit -qm "third"
echo x > untracked && git stash -qu && git stash pop -q && rm untracked
git checkout -q main && git checkout -q feature && git rebase -q main
git gc -q && git fsck --no-progress >/dev/null 2>&1
cd .. && git clone -q repo copy && rm -rf copy
git -C repo log --oneline | wc -l
