import { createWriteStream } from "node:fs";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { messageOf } from "./errors.js";
import { openHttp, type HttpAnswer } from "./http-stream.js";

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes of the file that are on disk, those of an earlier attempt included. */
  readonly receivedBytes: number;
  /** `null` where the server does not tell. */
  readonly totalBytes: number | null;
}

/** One download. */
export interface DownloadOptions {
  readonly url: string;
  /** Where the file is put when it is whole; until then it is `path` with `.part` at its end. */
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** Why no file came. `partial`: what came so far was kept, and the next attempt goes on from there. */
export class DownloadError extends Error {
  constructor(message: string, readonly partial: boolean, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What is kept beside a partial file, so that it is only ever completed with bytes of the same version. */
const PartInfo = z.object({ url: z.string(), validator: z.string() });

/** What an attempt begins with. */
interface Part {
  readonly size: number;
  /** Value for `If-Range`: an entity tag or a date. */
  readonly validator: string;
}

/**
 * Downloads a file; what an earlier attempt left is not downloaded again where the server can send a part (HTTP `Range`
 * with `If-Range`) and the file has not changed since.
 *
 * @throws DownloadError; what `signal` makes of it; errors of the file system
 */
export async function download({ url, path, signal, onProgress }: DownloadOptions): Promise<void> {
  const partPath = `${path}.part`;
  const infoPath = `${path}.part.json`;
  const part = await readPart(partPath, infoPath, url);
  const answer = await openOrFail(url, part, signal);
  const begin = beginOf(answer, part);
  if (begin === undefined) {
    answer.body.destroy();
    if (part === undefined || ![206, 416].includes(answer.status)) throw statusError(answer.status, url, part !== undefined);
    // The partial file is no beginning of what the server has now.
    await rm(infoPath);
    await download({ url, path, signal, onProgress });
    return;
  }
  // Before its new version is known: an old beginning must never be completed with a new end.
  if (begin === 0) await rm(partPath, { force: true });

  const length = Number(answer.headers["content-length"] ?? NaN);
  const totalBytes = Number.isFinite(length) ? begin + length : null;
  const validator = validatorOf(answer);
  if (validator === undefined) await rm(infoPath, { force: true });
  else await writeFile(infoPath, JSON.stringify({ url, validator } satisfies z.infer<typeof PartInfo>));

  let receivedBytes = begin;
  onProgress?.({ receivedBytes, totalBytes });
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      receivedBytes += chunk.length;
      onProgress?.({ receivedBytes, totalBytes });
      done(null, chunk);
    },
  });
  const file = createWriteStream(partPath, { flags: begin > 0 ? "a" : "w" });
  const failed = ioErrorOf(file);
  try {
    await pipeline(answer.body, counter, file, { signal });
  } catch (error) {
    if (signal?.aborted === true || failed.error !== undefined) throw failed.error ?? error;
    throw cutError(receivedBytes, totalBytes, validator !== undefined, error);
  }
  if (totalBytes !== null && receivedBytes !== totalBytes) throw cutError(receivedBytes, totalBytes, validator !== undefined, undefined);
  await rm(infoPath, { force: true });
  await rename(partPath, path);
}

/** Tells errors of writing from errors of receiving, which `pipeline` mixes. */
function ioErrorOf(file: NodeJS.WritableStream): { error?: Error } {
  const found: { error?: Error } = {};
  file.on("error", (error: NodeJS.ErrnoException) => {
    if (error.syscall === "write" || error.syscall === "open") found.error = error;
  });
  return found;
}

function cutError(receivedBytes: number, totalBytes: number | null, partial: boolean, cause: unknown): DownloadError {
  const why = cause === undefined ? "" : ` (${messageOf(cause)})`;
  return new DownloadError(`the connection ended after ${receivedBytes} of ${totalBytes ?? "an unknown number of"} bytes${why}`, partial, { cause });
}

function statusError(status: number, url: string, partial: boolean): DownloadError {
  return new DownloadError(`expected status 200 from ${url}, got ${status}`, partial);
}

async function openOrFail(url: string, part: Part | undefined, signal: AbortSignal | undefined): Promise<HttpAnswer> {
  try {
    return await openHttp(url, part === undefined ? {} : { range: `bytes=${part.size}-`, "if-range": part.validator }, signal);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new DownloadError(`no answer from ${url}: ${messageOf(error)}`, part !== undefined, { cause: error });
  }
}

/** At which byte of the file the answer's body begins; `undefined` where it is of no use. */
function beginOf({ status, headers }: HttpAnswer, part: Part | undefined): number | undefined {
  if (status === 200) return 0;
  const begin = Number(/^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1] ?? NaN);
  return status === 206 && part !== undefined && begin === part.size ? begin : undefined;
}

/** Something that changes when the file does. Weak tags do not promise equal bytes, so they are not allowed here. */
function validatorOf({ headers }: HttpAnswer): string | undefined {
  const { etag } = headers;
  return etag !== undefined && !etag.startsWith("W/") ? etag : headers["last-modified"];
}

async function readPart(partPath: string, infoPath: string, url: string): Promise<Part | undefined> {
  try {
    const { size } = await stat(partPath);
    const info = PartInfo.parse(JSON.parse(await readFile(infoPath, "utf8")));
    return size > 0 && info.url === url ? { size, validator: info.validator } : undefined;
  } catch {
    // Nothing usable there: the download begins anew.
    return undefined;
  }
}
