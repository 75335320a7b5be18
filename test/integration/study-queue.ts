/** Studies over BullMQ on a real Redis: what the tests of it start, and look at. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { parseStudyConfig } from "../../lib/study/plan/study-config.js";
import { REDIS_MISSING, TestRedis } from "../support/redis.js";
import { start, useDirectory, type JsonEvent, type Running } from "./helpers.js";

/** Cells of a few seconds that save all the time. `trainSamples`: of each epoch. */
export function settings(trainSamples: number, overrides: object = {}) {
  return parseStudyConfig({
    kind: "seeds",
    teacher: { name: "resnet8" },
    student: { name: "resnet8" },
    method: { kind: "kd" },
    seeds: [0, 1],
    data: { kind: "synthetic", numClasses: 4, trainSamples, testSamples: 32 },
    training: { epochs: 2, batchSize: 16, threads: 1, checkpointMinutes: 0.005, schedule: { kind: "constant" } },
    ...overrides,
  });
}

/** Short, so that a lost worker is soon noticed, but longer than a busy machine takes to load libtorch. */
export const WORK = ["--lock-seconds", "5"];

/** A suite that needs a Redis, and says so in its title if it is missing. */
export function describeWithRedis(title: string, tests: () => void): void {
  if (REDIS_MISSING === undefined) describe(title, tests);
  else describe.skip(`${title} (skipped: ${REDIS_MISSING})`, tests);
}

export function ofType(events: readonly JsonEvent[], type: string): JsonEvent[] {
  return events.filter((event) => event.type === type);
}

/** A Redis and a directory for each test of a suite; ends the processes that a test leaves. */
export function useStudyQueue() {
  const directory = useDirectory();
  let redis: TestRedis;
  const running = new Set<Running>();
  beforeEach(async () => {
    redis = await TestRedis.start();
  });
  afterEach(async () => {
    for (const { child, finished } of running) {
      child.kill("SIGKILL");
      await finished;
    }
    running.clear();
    await redis.stop();
  });

  function begin(words: readonly string[]): Running {
    const process = start([...words, "--json"], { cwd: directory.path });
    running.add(process);
    return process;
  }

  const work = (...words: string[]): Running => begin(["work", redis.url, ...WORK, ...words]);

  /** The words that queue a study of these settings in a directory. */
  async function queueing(study: string, config: object): Promise<string[]> {
    const file = join(directory.path, `${study}.json`);
    await writeFile(file, JSON.stringify(config));
    return ["study", "seeds", "--config", file, "--study", join(directory.path, study), "--queue", redis.url];
  }

  /** The queue as another program sees it. */
  async function withQueue(use: (queue: Queue, connection: Redis) => Promise<void>): Promise<void> {
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    const queue = new Queue("cells", { connection, prefix: "reviewkd" });
    try {
      await use(queue, connection);
    } finally {
      await queue.close();
      connection.disconnect();
    }
  }

  /** Changes what the jobs that wait know of their cells, and ends their wait. */
  async function changeJobs(change: object): Promise<void> {
    await withQueue(async (queue) => {
      for (const job of await queue.getJobs(["wait", "prioritized", "delayed"]))
        await job.updateData({ ...job.data as object, ...change });
      await queue.promoteJobs();
    });
  }

  const student = (study: string, cell: string): Promise<Buffer> =>
    readFile(join(directory.path, study, cell, "student.safetensors"));

  return { directory, running, begin, work, queueing, withQueue, changeJobs, student, get redis(): TestRedis {
    return redis;
  } };
}
