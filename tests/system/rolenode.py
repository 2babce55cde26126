#!/usr/bin/env python3
# A Waves Enterprise node with roles, before one that has none: what an account
# in the file ROLES sends is refused as such a node does it, all else is passed
# on; long polls it does not know.  A line of ROLES: an address, a tab, why.
#   rolenode.py PORT NODE_PORT ROLES
# Sources of the answer (waves-enterprise/we-node 1.14, node/.../com/wavesenterprise):
# acl/PermissionValidator.scala, api/http/ApiError.scala (StateCheckFailed of
# fromValidationError(PermissionError).message).
import http.client, http.server, json, sys

PORT, NODE, ROLES = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def refusal(tx):
    try:
        rows = dict(line.rstrip("\n").split("\t") for line in open(ROLES))
    except FileNotFoundError:
        return None
    why = rows.get(tx["sender"])
    if why is None:
        return None
    reason = "PermissionError(Sender %s permission validation failed: %s)" % (tx["sender"], why)
    return {"error": 112, "message": "State check failed. Reason: " + reason, "tx": tx}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, body):
        if self.path.startswith("/consentfs/"):
            return self.reply(404, b"")
        if self.path == "/transactions/broadcast":
            refused = refusal(json.loads(body))
            if refused:
                return self.reply(400, json.dumps(refused).encode())
        node = http.client.HTTPConnection("127.0.0.1", NODE, timeout=60)
        node.request(self.command, self.path, body, {"Content-Type": "application/json"})
        r = node.getresponse()
        self.reply(r.status, r.read())
        node.close()

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
