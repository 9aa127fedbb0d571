"""A person at a messenger (tools.lab.chat) who encrypts, and knows the server's certificate.

python -m tools.fresh.chat JID PASSWORD CERTIFICATE
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.lab.chat import Person


def main() -> None:
    """Log in to the server on this machine, until standard input ends."""
    jid, password, certificate = sys.argv[1:]
    person = Person(jid, password)
    person.enable_starttls, person.enable_plaintext = True, False
    person.ca_certs = Path(certificate)
    person.connect(host="127.0.0.1", port=5222)
    person.loop.run_until_complete(person.disconnected)


if __name__ == "__main__":
    main()
