import { createWriteStream, openSync, rmSync, writeFileSync } from "node:fs";
import { readFile, rename, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { messageOf } from "../errors.js";

const MAX_REDIRECTS = 5;

/** A connection on which nothing arrives for this long counts as lost. */
const SILENCE_MS = 60_000;

/** The progress of a download. */
export interface DownloadProgress {
  /** Bytes of the file on disk, including those of an earlier attempt. */
  readonly receivedBytes: number;
  /** `null` if the server does not report it. */
  readonly totalBytes: number | null;
}

export interface DownloadOptions {
  readonly url: string;
  /** Where the complete file is put; until then it is `path` with `.part` appended. */
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** Why a download failed. `partial`: what was received is kept, and the next attempt resumes from there. */
export class DownloadError extends Error {
  constructor(message: string, readonly partial: boolean, options?: { readonly cause?: unknown }) {
    super(message, options);
  }
}

/**
 * Recorded next to a partial file, so that it is only ever completed with bytes of the same version: `validator` is the
 * value for `If-Range`, an entity tag or a date.
 */
const PartInfo = z.object({ url: z.string(), validator: z.string() });
type Part = z.infer<typeof PartInfo> & { readonly size: number };

/** Downloads a file; resumes by HTTP `Range` with `If-Range` what an earlier attempt left. @throws DownloadError */
export async function download({ url, path, signal, onProgress }: DownloadOptions): Promise<void> {
  const partPath = `${path}.part`;
  const infoPath = `${path}.part.json`;
  const part = await readPart(partPath, infoPath, url);
  const response = await requestFile(url, part, signal);
  const { statusCode: status = 0 } = response;
  const begin = beginOf(response, part);
  if (begin === undefined) {
    response.destroy();
    if (part === undefined || ![206, 416].includes(status)) {
      throw new DownloadError(`the server responded with status ${status} instead of 200`, part !== undefined);
    }
    // The partial file is not the beginning of the server's current one.
    await rm(infoPath);
    await download({ url, path, signal, onProgress });
    return;
  }
  const validator = validatorOf(response);
  try {
    // Synchronous up to the first byte: what arrives before anything reads the response is lost if the connection then
    // breaks.
    // The part goes before the new version is recorded: an old beginning must never be completed with a new end.
    if (begin === 0) rmSync(partPath, { force: true });
    if (validator === undefined) rmSync(infoPath, { force: true });
    else writeFileSync(infoPath, JSON.stringify({ url, validator }));
    await receive(response, { begin, path: partPath, partial: validator !== undefined, signal, onProgress });
  } finally {
    response.destroy();
  }
  await rm(infoPath, { force: true });
  await rename(partPath, path);
}

interface ReceiveOptions extends Omit<DownloadOptions, "url"> {
  /** The position in the file of the body's first byte. */
  readonly begin: number;
  /** Whether a later attempt can resume. */
  readonly partial: boolean;
}

async function receive(response: IncomingMessage,
  { begin, path, partial, signal, onProgress }: ReceiveOptions): Promise<void> {
  const length = Number(response.headers["content-length"] ?? NaN);
  const totalBytes = Number.isFinite(length) ? begin + length : null;
  let receivedBytes = begin;
  onProgress?.({ receivedBytes, totalBytes });
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      receivedBytes += chunk.length;
      onProgress?.({ receivedBytes, totalBytes });
      done(null, chunk);
    },
  });
  const interrupted = (why: string, cause?: unknown): DownloadError =>
    new DownloadError(
      `the connection ended after ${receivedBytes} of ${totalBytes ?? "an unknown number of"} bytes${why}`,
      partial,
      { cause },
    );
  const file = createWriteStream(path, { fd: openSync(path, begin > 0 ? "a" : "w") });
  try {
    await pipeline(response, counter, file, { signal });
  } catch (error) {
    // The other errors come from the connection.
    if (signal?.aborted === true || ["write", "open"].includes((error as NodeJS.ErrnoException).syscall ?? ""))
      throw error;
    throw interrupted(` (${messageOf(error)})`, error);
  }
  if (totalBytes !== null && receivedBytes !== totalBytes) throw interrupted("");
}

/** Requests the bytes as stored. `fetch` would unpack a body that a server labels as gzip, unlike the checksum's. */
async function requestFile(url: string, part: Part | undefined,
  signal: AbortSignal | undefined): Promise<IncomingMessage> {
  const headers = part === undefined ? {} : { range: `bytes=${part.size}-`, "if-range": part.validator };
  // Loaded on demand: programs that download nothing start faster.
  const { default: followRedirects } = await import("follow-redirects");
  const client = new URL(url).protocol === "https:" ? followRedirects.https : followRedirects.http;
  try {
    return await new Promise((resolve, reject) => {
      const sent = client.request(url, { headers, maxRedirects: MAX_REDIRECTS, ...(signal && { signal }) }, resolve);
      sent.setTimeout(SILENCE_MS, () =>
        sent.destroy(new Error(`nothing was received for ${SILENCE_MS / 1000} seconds`)));
      sent.once("error", reject);
      sent.end();
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new DownloadError(`no answer from ${url}: ${messageOf(error)}`, part !== undefined, { cause: error });
  }
}

/** The position in the file of the body's first byte; `undefined` if the response is unusable. */
function beginOf({ statusCode, headers }: IncomingMessage, part: Part | undefined): number | undefined {
  if (statusCode === 200) return 0;
  const begin = Number(/^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1] ?? NaN);
  return statusCode === 206 && part !== undefined && begin === part.size ? begin : undefined;
}

/** A header that changes with the file. Weak tags do not promise equal bytes, so `If-Range` rules them out. */
function validatorOf({ headers: { etag, "last-modified": date } }: IncomingMessage): string | undefined {
  return etag !== undefined && !etag.startsWith("W/") ? etag : date;
}

async function readPart(partPath: string, infoPath: string, url: string): Promise<Part | undefined> {
  try {
    const { size } = await stat(partPath);
    const info = PartInfo.parse(JSON.parse(await readFile(infoPath, "utf8")));
    return size > 0 && info.url === url ? { ...info, size } : undefined;
  } catch {
    return undefined;
  }
}
