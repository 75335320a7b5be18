#!/usr/bin/env node
import { runCli } from "./run-cli.js";

// A reader that has seen enough, `| head` say, ends the program without a complaint.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(1);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2));
