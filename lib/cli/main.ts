#!/usr/bin/env node
// Imports nothing before it listens: meanwhile Node would start its inspector on SIGUSR1, and the program continue.
const end = (): void => process.exit(130);
if (process.platform !== "win32") process.on("SIGUSR1", end);

const { start } = await import("./start.js");
process.off("SIGUSR1", end);
await start();

export {};
