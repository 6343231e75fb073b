# Node: a package without dependencies, a test that listens on a free port, modules that come and go.
command -v node >/dev/null || exit 77
set -e
for i in $(seq 300); do mkdir -p "node_modules/p$((i % 30))" && echo "module.exports = $i" > "node_modules/p$((i % 30))/$i.js"; done
cat > test.js <<'T'
const http = require("http");
const server = http.createServer((request, answer) => answer.end("ok"));
server.listen(0, () => http.get({ port: server.address().port }, (answer) => {
  answer.resume();
  answer.on("end", () => server.close());
}));
T
node test.js && rm -rf node_modules
