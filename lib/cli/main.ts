#!/usr/bin/env node
// Imports nothing before it listens: meanwhile Node would start its inspector on SIGUSR1, and the program continue.
if (process.platform !== "win32") process.on("SIGUSR1", () => process.exit(130));

const { start } = await import("./start.js");
process.removeAllListeners("SIGUSR1");
await start();

export {};
