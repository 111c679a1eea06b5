"""The way into a bus from other threads and from asyncio."""
