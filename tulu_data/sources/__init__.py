"""Open a source and deliver records: files, hub, stored versions, chat-format adapters."""
