"""HTTP connections whose timeout counts silence, not the length of an upload."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import SupportsRead
    from typing_extensions import Buffer

PIECE: Final = 64 * 1024


class _Patient(HTTPConnection):
    """Sends large bodies in pieces.

    A socket's timeout bounds one `sendall` as a whole (since Python 3.5), and urllib3 sends a body of bytes
    with one, under the connect timeout: 8 MiB within 2 s, or the upload fails. In pieces it bounds each of them.
    """

    def send(self, data: "SupportsRead[bytes] | Iterable[Buffer] | Buffer | str") -> None:
        if not isinstance(data, bytes) or len(data) <= PIECE:
            super().send(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            super().send(view[start : start + PIECE])


class _PatientTls(_Patient, HTTPSConnection):
    pass


class HttpPool(HTTPConnectionPool):
    ConnectionCls = _Patient


class HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PatientTls
