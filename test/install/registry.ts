// A real registry on loopback, without an upstream registry.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { run, type RunResult } from "../../lib/install/process.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** npm's program file, which runs without an `npm` on PATH. */
export const npm = process.env["npm_execpath"] ??
  join(dirname(process.execPath), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js");

/** Runs npm with this process' environment; fails with its output. */
export async function runNpm(words: readonly string[], cwd: string): Promise<string> {
  const result = await run(process.execPath, [npm, ...words], { cwd, env: process.env });
  expectSuccess(`npm ${words.join(" ")}`, result);
  return result.stdout;
}

/** Fails with a program's output unless it succeeded. */
export function expectSuccess(what: string, { status, output }: RunResult): void {
  if (status !== 0) throw new Error(`${what} exited with ${String(status)}:\n${output}`);
}

export interface Registry {
  readonly url: string;
  /** Publishes a tarball or a directory. */
  publish(what: string, tag?: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a registry that stores its files in `directory`. */
export async function startRegistry(directory: string): Promise<Registry> {
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${String(port)}/`;
  const config = join(directory, "config.yaml");
  writeFileSync(config, stringify({
    storage: join(directory, "storage"),
    auth: { htpasswd: { file: join(directory, "htpasswd") } },
    uplinks: {},
    packages: { "**": { access: "$all", publish: "$all" } },
    max_body_size: "400mb",
    web: { enable: false },
    log: { type: "stdout", format: "json", level: "warn" },
  }));
  const program = join(import.meta.dirname, "node_modules", "verdaccio", "bin", "verdaccio");
  const child = spawn(process.execPath, [program, "--config", config, "--listen", `127.0.0.1:${String(port)}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  await untilAnswering(child, `${url}-/ping`, () => output);

  const npmrc = join(directory, "npmrc");
  // npm requires a token; this registry accepts any.
  writeFileSync(npmrc, `registry=${url}\n//127.0.0.1:${String(port)}/:_authToken=any-token\n`);
  return {
    url,
    publish: async (what, tag = "latest") => {
      await runNpm(["publish", what, "--tag", tag, "--userconfig", npmrc, "--registry", url, "--ignore-scripts"],
        directory);
    },
    stop: async () => {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function untilAnswering(child: ChildProcess, url: string, output: () => string): Promise<void> {
  for (let attempt = 0; attempt < 600; ++attempt) {
    if (child.exitCode !== null) throw new Error(`the registry exited with ${String(child.exitCode)}:\n${output()}`);
    if (await fetch(url).then((response) => response.ok, () => false)) return;
    await delay(100);
  }
  child.kill();
  throw new Error(`the registry never answered:\n${output()}`);
}

/** The version of the tarballs. */
export const version = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
