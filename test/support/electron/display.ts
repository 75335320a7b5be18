// A display without a screen for programs with windows.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** A display of its own, with a number that no other has. Systems without X need none. */
export class Display {
  private constructor(readonly env: Readonly<Record<string, string>>, private readonly server?: ChildProcess) {}

  static async start(): Promise<Display> {
    if (process.platform !== "linux") return new Display({});
    // The server takes the first free number, and reports it when it is ready. Its errors are those of other numbers.
    const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    // A test process that fails leaves no server behind.
    process.once("exit", () => server.kill());
    for await (const number of createInterface({ input: server.stdio[3] as Readable }))
      return new Display({ DISPLAY: `:${number}` }, server);
    throw new Error("invalid display: expected the number of a new one, received none from Xvfb. Run it to see why.");
  }

  async stop(): Promise<void> {
    if (this.server === undefined || this.server.exitCode !== null) return;
    const ended = once(this.server, "exit");
    this.server.kill();
    await ended;
  }
}
