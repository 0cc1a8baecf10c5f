"""From a sealed import to Persona's counts: cut, send, poll, and the worker that does them."""
