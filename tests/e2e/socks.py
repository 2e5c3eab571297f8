"""A SOCKS 5 proxy of a few lines, scripted: it may want a password, refuse, or say nothing."""

import contextlib
import socket
import threading


class SocksProxy:
    """`login`: (name, password) that it wants; `refuses`: the code that it answers a request with."""

    def __init__(self, login=None, refuses=0, is_silent=False):
        self.login = login
        self.refuses = refuses
        self.is_silent = is_silent
        self.asked = []  # (address, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, AssertionError), connection:
            self._negotiate(connection)

    def _negotiate(self, connection):
        def read(count):
            data = b""
            while len(data) < count:
                more = connection.recv(count - len(data))
                assert more
                data += more
            return data

        version, count = read(2)
        methods = read(count)
        if self.is_silent:
            connection.recv(1)
            return
        wanted = 2 if self.login else 0
        if version != 5 or wanted not in methods:
            connection.sendall(b"\x05\xff")
            return
        connection.sendall(bytes([5, wanted]))
        if self.login:
            read(1)
            name = read(read(1)[0]).decode()
            password = read(read(1)[0]).decode()
            is_good = (name, password) == self.login
            connection.sendall(bytes([1, 0 if is_good else 1]))
            if not is_good:
                return
        _, command, _, kind = read(4)
        assert command == 1 and kind == 1
        address = socket.inet_ntoa(read(4))
        port = int.from_bytes(read(2), "big")
        self.asked.append((address, port))
        if self.refuses:
            connection.sendall(bytes([5, self.refuses, 0, 1]) + bytes(6))
            return
        with socket.create_connection((address, port)) as far:
            connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x00")
            other = threading.Thread(target=self._copy, args=(far, connection), daemon=True)
            other.start()
            self._copy(connection, far)
            other.join()

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
