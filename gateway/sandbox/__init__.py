"""The government portal, played by us: for development, tests, benchmarks and test-mode clients.

It is written from the published protocol and shares no code with `gateway.irp`: a wrong codec that both sides used
would look right. One state machine (`portal.Sandbox`) with an injected clock and a seed, and two shells around it:
`in_process` for tests and simulations, `asgi` for a port.
"""
