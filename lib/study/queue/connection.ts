// BullMQ and ioredis are optional peer dependencies, whose types do not appear in those of this package.
import { hostname } from "node:os";
import type * as BullMq from "bullmq";
import type * as IoRedis from "ioredis";
import { withoutPassword } from "../../config/validation.js";
import { asSentence, messageOf, ReviewKdError } from "../../errors.js";

/** A cell in the queue. Its data come from Redis and are checked before they are used. */
export type CellJob = BullMq.Job<unknown, unknown>;

type CellQueue = BullMq.Queue<unknown, unknown>;
export type CellWorker = BullMq.Worker<unknown, unknown>;

/** The name of the queue in its Redis, and of all keys that belong to it. */
const QUEUE = "cells";
const PREFIX = "reviewkd";

/** For the first connection. */
const CONNECT_MS = 5000;

/** Between attempts to connect again. */
const RETRY_MS = 500;

/** The queue of cells in a Redis, for a process that adds them or works on them. */
export class QueueConnection implements AsyncDisposable {
  private constructor(readonly url: string, readonly queue: CellQueue, private readonly redis: IoRedis.Redis,
    private readonly bullmq: typeof BullMq, private readonly patienceMs: number) {}

  /**
   * Connects.
   *
   * @param patienceMs - How long a Redis may not answer before that is an error.
   * @throws `DEPENDENCY_MISSING`, `QUEUE_UNREACHABLE`
   */
  static async open(url: string, patienceMs: number): Promise<QueueConnection> {
    const { bullmq, ioredis } = await loadPackages();
    const redis = new ioredis.Redis(url, { maxRetriesPerRequest: null, lazyConnect: true, connectTimeout: CONNECT_MS,
      retryStrategy: () => RETRY_MS });
    let reason: unknown;
    // Without a listener, ioredis prints what the calls report anyway.
    redis.on("error", (error: unknown) => {
      reason = error;
    });
    try {
      await within(redis.connect().then(() => redis.ping()), CONNECT_MS);
    } catch (error) {
      redis.disconnect();
      throw unreachable(url, reason ?? error);
    }
    const queue = new bullmq.Queue<unknown, unknown>(QUEUE, { connection: redis, prefix: PREFIX });
    queue.on("error", ignore);
    return new QueueConnection(url, queue, redis, bullmq, patienceMs);
  }

  /** A worker that takes jobs one by one, and that returns the jobs of lost workers into the queue. */
  async worker({ lockMs, maxStalled }: { readonly lockMs: number; readonly maxStalled: number }): Promise<
    CellWorker
  > {
    const worker = new this.bullmq.Worker<unknown, unknown>(QUEUE, null, { connection: this.redis, prefix: PREFIX,
      autorun: false, name: workerName(), lockDuration: lockMs, stalledInterval: lockMs / 2,
      maxStalledCount: maxStalled, skipLockRenewal: true });
    worker.on("error", ignore);
    await this.call(worker.startStalledCheckTimer());
    return worker;
  }

  /** The result of a call to Redis. @throws `QUEUE_UNREACHABLE`: it has not answered in time. */
  readonly call = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await within(work, this.patienceMs);
    } catch (error) {
      if (error instanceof NoAnswer || this.redis.status !== "ready") throw unreachable(this.url, error);
      throw error;
    }
  };

  async [Symbol.asyncDispose](): Promise<void> {
    // Closing waits for what may never be answered.
    await within(this.queue.close(), CONNECT_MS).catch(ignore);
    this.redis.disconnect();
  }
}

/** By which the progress of a study names this process. */
export function workerName(): string {
  return `${hostname()}:${process.pid}`;
}

/** Ends a worker, whose jobs are given back or finished. */
export async function closeWorker(worker: CellWorker): Promise<void> {
  await within(worker.close(true), CONNECT_MS).catch(ignore);
}

class NoAnswer extends Error {}

/** The result of work that takes at most so long. */
async function within<Result>(work: Promise<Result>, milliseconds: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new NoAnswer(`no answer within ${milliseconds / 1000} s`));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function ignore(): void {
  // The calls themselves fail.
}

/** By a name that no bundler reads: it would demand packages that most programs do not have. */
async function load(name: string): Promise<unknown> {
  return await import(name) as unknown;
}

async function loadPackages(): Promise<{ bullmq: typeof BullMq; ioredis: Pick<typeof IoRedis, "Redis"> }> {
  try {
    return { bullmq: await load("bullmq") as typeof BullMq, ioredis: await load("ioredis") as typeof IoRedis };
  } catch (cause) {
    const absent = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes((cause as NodeJS.ErrnoException).code ?? "");
    const reason = absent ? "they are not installed." : asSentence(messageOf(cause));
    throw new ReviewKdError("DEPENDENCY_MISSING",
      `a queue requires the packages bullmq, 6 or newer, and ioredis: ${reason} Run \`npm install bullmq ioredis\`.`, {
      cause,
    });
  }
}

function unreachable(url: string, cause: unknown): ReviewKdError {
  // A host with several addresses fails with an error for each, and without a message of its own.
  const reason = messageOf(cause) || String((cause as NodeJS.ErrnoException).code);
  return new ReviewKdError("QUEUE_UNREACHABLE",
    `cannot reach the queue at ${withoutPassword(url)}: ${asSentence(reason)} Check the address and that Redis runs there; then run the same command again, which continues.`, { cause });
}
