#!/usr/bin/env node
import { runCli } from "./run-cli.js";

// If the reader closes the pipe, as `| head` does, end silently: as by Ctrl-C where results are to be saved.
let isClosed = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (isClosed) return;
    isClosed = true;
    if (!process.emit("SIGINT")) process.exit(1);
  });
}

process.exitCode = await runCli(process.argv.slice(2));
