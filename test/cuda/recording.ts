/**
 * Programs on the recording CUDA runtime: child processes whose calls a test checks. `npm run check:cuda` builds the
 * runtime and passes its location.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readRecording, type RecordedCall } from "../../scripts/cuda/recorded-calls.js";
import type { SCENARIOS } from "./scenarios.js";

export type { RecordedCall } from "../../scripts/cuda/recorded-calls.js";

export interface RecordingOptions {
  /** Calls that fail, such as `cudaStreamEndCapture:1`: see native/cuda/recording/recorder.h. */
  readonly fail?: string;
  /** Bytes of the device's memory. */
  readonly memory?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RecordedRun {
  readonly calls: readonly RecordedCall[];
  readonly stdout: string;
  readonly stderr: string;
}

function variables(): Record<string, string> {
  // @env REVIEWKD_RECORDING tests: The environment of the recording CUDA runtime as JSON, set by `npm run
  // check:cuda`. Default: none; its tests fail.
  const text = process.env["REVIEWKD_RECORDING"];
  expect(text, "the recording runtime: run these tests by `npm run check:cuda`").to.be.a("string");
  return JSON.parse(text!) as Record<string, string>;
}

/** Runs Node with `parameters` on the recording runtime. It must exit with 0. */
export function runRecorded(parameters: readonly string[],
  { fail = "", memory, env = {} }: RecordingOptions = {}): RecordedRun {
  const folder = mkdtempSync(join(tmpdir(), "reviewkd-recording-"));
  const file = join(folder, "calls.jsonl");
  try {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", ...parameters], {
      encoding: "utf8",
      maxBuffer: 1e9,
      env: {
        ...process.env,
        ...variables(),
        REVIEWKD_RECORDING_FILE: file,
        REVIEWKD_RECORDING_FAIL: fail,
        REVIEWKD_RECORDING_MEMORY: memory === undefined ? "" : String(memory),
        ...env,
      },
    });
    expect(status, `ended by ${signal ?? "its own exit"}:\n${stdout}\n${stderr}`).to.equal(0);
    return { calls: existsSync(file) ? readRecording(file) : [], stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Scenarios = typeof SCENARIOS;
type Settings<Name extends keyof Scenarios> = Exclude<Parameters<Scenarios[Name]>[0], undefined>;
export interface ScenarioRun<Name extends keyof Scenarios> extends RecordedRun {
  readonly result: Awaited<ReturnType<Scenarios[Name]>>;
}

/** Runs a program of scenarios.ts; its result is the last line that it prints. */
export function runScenario<Name extends keyof Scenarios>(name: Name, settings?: Settings<Name>,
  options: RecordingOptions = {}): ScenarioRun<Name> {
  const run = runRecorded(["test/cuda/scenario.ts", name, JSON.stringify(settings ?? {})], options);
  return { ...run, result: JSON.parse(run.stdout.trimEnd().split("\n").at(-1)!) as ScenarioRun<Name>["result"] };
}

/** The calls between two marks. */
export function section(calls: readonly RecordedCall[], from: string, to: string): RecordedCall[] {
  const at = (name: string): number => calls.findIndex((call) => call.call === "mark" && call.name === name);
  expect(at(from), from).to.be.at.least(0);
  expect(at(to), to).to.be.greaterThan(at(from));
  return calls.slice(at(from) + 1, at(to));
}

/**
 * Whether the device runs call `later` after call `earlier` (both are indices): because of their streams, of events, or
 * of synchronization in between.
 */
export function isOrdered(calls: readonly RecordedCall[], earlier: number, later: number): boolean {
  const behind = new Set([calls[earlier]!.stream]);
  const events = new Set<number | undefined>();
  for (const { call, kind, stream, event, error } of calls.slice(earlier + 1, later)) {
    if (error !== undefined) continue;
    if (call === "cudaDeviceSynchronize" || (kind === "synchronize" && behind.has(stream))) return true;
    if (call === "cudaEventRecord") events[behind.has(stream) ? "add" : "delete"](event);
    if (call === "cudaStreamWaitEvent" && events.has(event)) behind.add(stream);
  }
  return behind.has(calls[later]!.stream);
}
