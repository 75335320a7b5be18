import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import type { Archive } from "../../../../lib/datasets/fetch.js";

/** A small archive with the layout of CIFAR-100's, and an unexpected file. */
export async function makeArchive(): Promise<{ bytes: Buffer; archive: Omit<Archive, "url"> }> {
  const directory = await mkdtemp(join(tmpdir(), "reviewkd-archive-"));
  try {
    const inner = join(directory, "cifar-100-binary");
    await mkdir(inner);
    // Incompressible bytes, so that the archive arrives in several chunks.
    const noise = Buffer.concat(
      Array.from({ length: 10_000 }, (_, index) => createHash("sha256").update(String(index)).digest()),
    );
    await writeFile(join(inner, "train.bin"), noise);
    await writeFile(join(inner, "test.bin"), "test");
    await writeFile(join(inner, "fine_label_names.txt"), "apple\n");
    await writeFile(join(inner, "unwanted.sh"), "echo");
    const path = join(directory, "archive.tar.gz");
    await create({ gzip: true, file: path, cwd: directory }, ["cifar-100-binary"]);
    const bytes = await readFile(path);
    const md5 = createHash("md5").update(bytes).digest("hex");
    return { bytes,
      archive: { md5, directory: "cifar-100-binary", files: ["train.bin", "test.bin", "fine_label_names.txt"] } };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Handles one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Starts a loopback server that uses one answer per request, repeating the last. */
export async function serve(
  ...answers: readonly Answer[]
): Promise<{ url: string; requests: IncomingMessage[]; close: () => Promise<void> }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push(request);
    answer?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/files/cifar-100-binary.tar.gz`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** Sends the whole file, or the requested range of this version. */
export function sendFile(bytes: Buffer, version = '"one"'): Answer {
  return (request, response) => {
    const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? NaN);
    if (Number.isNaN(begin) || request.headers["if-range"] !== version) {
      response.writeHead(200, { etag: version, "content-length": bytes.length });
      response.end(bytes);
    } else if (begin >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` });
      response.end();
    } else {
      response.writeHead(206, { etag: version, "content-length": bytes.length - begin,
        "content-range": `bytes ${begin}-${bytes.length - 1}/${bytes.length}` });
      response.end(bytes.subarray(begin));
    }
  };
}

/** Sends the first bytes and closes the connection. */
export function sendStart(bytes: Buffer, count: number, headers: Record<string, string> = { etag: '"one"' }): Answer {
  return (_request, response) => {
    response.writeHead(200, { ...headers, "content-length": bytes.length });
    response.write(bytes.subarray(0, count), () => setTimeout(() => response.destroy(), 20));
  };
}

/** An answer without a body. */
export function sendStatus(status: number, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(status, headers);
    response.end();
  };
}
