# Python: an environment of its own, byte code, tests, a server for itself, a formatter over many files, processes of its own.
command -v python3 >/dev/null || exit 77
set -e
for i in $(seq 150); do echo "x = $i" > "module_$i.py"; done
printf 'import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertTrue(True)\n' > test_it.py
python3 -m compileall -q . && python3 -m unittest -q 2>/dev/null
find . -name '*.pyc' -delete
for f in module_*.py; do sed -i 's/x = /y = /' "$f"; done
python3 -m venv --without-pip env 2>/dev/null && ./env/bin/python -c 'print(1)' >/dev/null && rm -rf env
python3 - <<'P'
import http.server, multiprocessing, subprocess, tempfile, threading, time, urllib.request
with tempfile.TemporaryDirectory() as d:
    for i in range(60):
        open(f"{d}/{i}", "w").write("x")
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read()
server.shutdown()
child = multiprocessing.Process(target=time.sleep, args=(60,))
child.start()
child.terminate()
child.join()
subprocess.run(["ls"], stdout=subprocess.DEVNULL, check=True)
P
