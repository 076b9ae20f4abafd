"""What is no HTTP request is answered as everything else is. uvicorn does so in plain text."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import AppError, ErrorCode
from app.web import middleware, problems

MESSAGE = (
    "This is no HTTP request that can be read: its first line, a header or its length is wrong."
)


class Protocol(HttpToolsProtocol):
    """uvicorn's own but for that answer. Should another version not call this method, its answer is the plain one."""

    def send_400_response(self, msg: str) -> None:
        """Ends the connection: where the next request would begin, nobody knows."""
        # What waits in the pipeline waits for an earlier one's answer.
        is_answering = bool(self.pipeline) or (
            self.cycle is not None
            and self.cycle.response_started
            and not self.cycle.response_complete
        )
        if not is_answering:
            self.transport.write(self._refusal())
        self.transport.close()

    def _refusal(self) -> bytes:
        request_id = middleware.new_request_id()
        error = AppError(ErrorCode.BAD_USER_INPUT, MESSAGE)
        response = problems.response(error, request_id)
        headers = [
            *self.server_state.default_headers,
            *middleware.complete(response.raw_headers, request_id),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
        return STATUS_LINE[response.status_code] + lines + b"\r\n" + bytes(response.body)
