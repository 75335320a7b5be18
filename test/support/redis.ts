// A real Redis on the loopback interface.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./free-port.js";

/** Why no Redis can be started here; `undefined` if one can. */
export const REDIS_MISSING = spawnSync("redis-server", ["--version"]).status === 0 ? undefined
  : "redis-server is not installed (apt-get install redis-server)";

/** A Redis with a directory of its own. */
export class TestRedis {
  #process: ChildProcess | undefined;

  private constructor(readonly port: number, private readonly directory: string) {}

  static async start(): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), await mkdtemp(join(tmpdir(), "reviewkd-redis-")));
    await redis.run();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server, also after {@link TestRedis.kill}: it then has the data that it had. */
  async run(): Promise<void> {
    const words = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.directory, "--appendonly", "yes",
      "--appendfsync", "always"];
    this.#process = spawn("redis-server", words, { stdio: "ignore" });
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null) throw new Error(`redis-server ended with ${this.#process.exitCode}`);
      await delay(50);
    }
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, "127.0.0.1");
      socket.once("connect", () => socket.write("PING\r\n"));
      socket.once("data", (data) => {
        socket.destroy();
        resolve(data.toString().startsWith("+PONG"));
      });
      socket.once("error", () => {
        resolve(false);
      });
    });
  }

  async kill(): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
