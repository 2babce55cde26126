"""A peer with a dumb fault: Fault(MODE) listens on a free port until stopped.

What it does is the same for every request, whatever that is; a peer that
plans something is another program's business.
"""
import socket
import threading

# what is sent for each request; None: nothing, and the connection stays open
MODES = {
    "silent": None,
    "garbage": bytes(range(256)) * 8,
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n"
            b"<html>please log in</html>\n",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"a\"",
    "error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
}
DRIP = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"  # a byte a second


class Fault:
    def __init__(self, mode, port=0):
        self.mode = mode
        self.stop = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.stop.is_set():
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer:
            peer.settimeout(0.5)
            while not self.stop.is_set():
                try:
                    if not peer.recv(65536):
                        return
                    if not self.answer(peer):
                        return
                except TimeoutError:
                    continue
                except OSError:
                    return

    def answer(self, peer):
        """False: the connection is closed."""
        if self.mode == "drip":
            peer.sendall(DRIP)
            while not self.stop.wait(1):
                peer.sendall(b" ")
            return False
        if MODES[self.mode] is None:
            self.stop.wait()
            return False
        peer.sendall(MODES[self.mode])
        return self.mode not in ("garbage", "cut")

    def close(self):
        self.stop.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
