#!/usr/bin/env python3
"""Load on the RCPT ACL: sessions that name recipients and never send a message.

    recipients.py PORT SESSIONS RECIPIENTS REFUSED

Each session sends transactions of 50 RCPT, pipelined, and RSET. One recipient in REFUSED must be
refused (0: none), all others accepted; otherwise this ends with 1."""

import socket
import sys

PER_TRANSACTION = 50


def transaction(index, refused):
    lines = ["MAIL FROM:<sender@example.net>"]
    for at in range(PER_TRANSACTION):
        local = f"user{index}.{at}" if not refused or at % refused else f"a%b{at}"
        lines.append(f"RCPT TO:<{local}@godwit.test>")
    return lines + ["RSET"]


def read_replies(file, count):
    replies = []
    while len(replies) < count:
        line = file.readline()
        if not line:
            sys.exit("the server closed the connection")
        if line[3:4] != b"-":
            replies.append(line[:3].decode())
    return replies


def main():
    port, sessions, recipients, refused = (int(word) for word in sys.argv[1:5])
    for _ in range(sessions):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            file = connection.makefile("rb")
            read_replies(file, 1)
            connection.sendall(b"EHLO client.example.net\r\n")
            read_replies(file, 1)
            for index in range(recipients // sessions // PER_TRANSACTION):
                lines = transaction(index, refused)
                connection.sendall("".join(line + "\r\n" for line in lines).encode())
                replies = read_replies(file, len(lines))
                answers = ["550" if refused and at % refused == 0 else "250" for at in range(PER_TRANSACTION)]
                wanted = ["250", *answers, "250"]
                if replies != wanted:
                    sys.exit(f"unexpected answers: {replies}")
            connection.sendall(b"QUIT\r\n")


main()
