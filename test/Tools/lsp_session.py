"""One session with heddle-lsp-server over its standard streams, as an editor holds it. Prints what the server says."""
import json
import subprocess
import sys

SPEC = """func.func @attend(%q: tensor<?x?x?x64xf32>, %k: tensor<?x?x?x64xf32>) -> tensor<?x?x?x64xf32> {
  %o = attn.attend dot(%q, %k) value(%k) normalize @softmax : (tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>) -> tensor<?x?x?x64xf32>
  return %o : tensor<?x?x?x64xf32>
}
"""
BROKEN = SPEC.replace("return %o", "return %missing")
INVALID = SPEC.replace("%k: tensor<?x?x?x64xf32>", "%k: tensor<?x?x?x32xf32>").replace(
    "tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>)", "tensor<?x?x?x64xf32>, tensor<?x?x?x32xf32>, tensor<?x?x?x32xf32>)")


class Server:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.next = 0

    def send(self, method, parameters, **fields):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters, **fields}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def receive(self):
        size = 0
        while (line := self.process.stdout.readline().strip()) or not size:
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
            elif not line and self.process.poll() is not None:
                sys.exit(f"expected an answer, got the end of the server ({self.process.returncode})")
        return json.loads(self.process.stdout.read(size))

    def request(self, method, parameters):
        self.next += 1
        self.send(method, parameters, id=self.next)
        while (answer := self.receive()).get("id") != self.next:
            pass
        return answer["result"]

    def open(self, name, text):
        """Open a file and wait for what the server finds in it."""
        uri = f"file:///{name}.mlir"
        self.send("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "mlir", "version": 1, "text": text}})
        while (answer := self.receive()).get("method") != "textDocument/publishDiagnostics" or answer["params"]["uri"] != uri:
            pass
        print(f"{name}: {len(answer['params']['diagnostics'])} diagnostics")
        for found in answer["params"]["diagnostics"]:
            print(f"  line {found['range']['start']['line'] + 1}: {found['message']}")
        return uri


server = Server(sys.argv[1])
capabilities = server.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})["capabilities"]
print("hover:", bool(capabilities.get("hoverProvider")), "definition:", bool(capabilities.get("definitionProvider")))
server.send("initialized", {})
server.open("broken", BROKEN)
server.open("invalid", INVALID)
uri = server.open("spec", SPEC)
lines = SPEC.splitlines()
at = lambda line, word: {"textDocument": {"uri": uri}, "position": {"line": line, "character": lines[line].index(word) + 1}}
print("hover over the attend:", server.request("textDocument/hover", at(1, "attn.attend"))["contents"]["value"].splitlines()[0])
(place,) = server.request("textDocument/definition", at(2, "%o"))
print("definition of %o: line", place["range"]["start"]["line"] + 1)
server.request("shutdown", None)
server.send("exit", None)
print("left with", server.process.wait(10))
