# What a shell does all day: looking around, searching, jobs of its own, temporary files.
set -e
ls -la /etc >/dev/null && cat /etc/os-release /etc/passwd /etc/hosts >/dev/null
ps aux >/dev/null 2>&1 || true
df -h >/dev/null; mount >/dev/null; uname -a >/dev/null; env >/dev/null; id >/dev/null; date >/dev/null
mkdir tree && for i in $(seq 80); do echo "TODO $i" > "tree/$i"; done
grep -rn TODO tree >/dev/null && find tree -name '1*' | xargs wc -l >/dev/null
sed -i s/TODO/DONE/ tree/* && chmod -R u+w tree && touch -d yesterday tree/1
t=$(mktemp -d) && cp -r tree "$t" && rm -rf "$t"
sleep 60 & kill $! && wait $! 2>/dev/null || true
timeout 0.2 sleep 5 || true
(sleep 60 & sleep 0.1; kill %1 2>/dev/null || kill $!) || true
rm -rf tree
