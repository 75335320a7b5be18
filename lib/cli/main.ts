#!/usr/bin/env node
import { runCli } from "./run-cli.js";

// If the reader closes the pipe, as `| head` does, exit silently.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(1);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2));
