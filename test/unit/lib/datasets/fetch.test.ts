import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { ARCHIVES, fetchArchive, fetchDataset, type Archive } from "../../../../lib/datasets/fetch.js";
import type { DownloadProgress } from "../../../../lib/datasets/download.js";
import { makeArchive, sendFile, sendStart, sendStatus, serve, type Answer } from "./archive-server.js";
import { failureOf, scratchDirectory } from "../small-run.js";

const HALF = 150_000;

describe("fetchArchive", () => {
  const scratch = scratchDirectory();
  let bytes: Buffer;
  let layout: Omit<Archive, "url">;
  let server: Awaited<ReturnType<typeof serve>> | undefined;

  before(async () => {
    ({ bytes, archive: layout } = await makeArchive());
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const start = async (...answers: Answer[]): Promise<Archive> => {
    server = await serve(...answers);
    return { ...layout, url: server.url };
  };
  const fetchTo = (archive: Archive,
    options: { signal?: AbortSignal; onProgress?: (progress: DownloadProgress) => void } = {}): Promise<string> =>
    fetchArchive(archive, { directory: scratch("data"), ...options });
  const expectWhole = async (target: string): Promise<void> => {
    expect(target).to.equal(scratch("data", "cifar-100-binary"));
    expect((await readdir(target)).sort()).to.deep.equal(["fine_label_names.txt", "test.bin", "train.bin"]);
    expect(await readFile(`${target}/test.bin`, "utf8")).to.equal("test");
    expect(await readdir(scratch("data"))).to.deep.equal(["cifar-100-binary"]);
  };

  it("downloads, verifies and unpacks the expected files, and leaves nothing else", async () => {
    const archive = await start(sendFile(bytes));
    const seen: DownloadProgress[] = [];
    await expectWhole(await fetchTo(archive, { onProgress: (progress) => seen.push(progress) }));
    expect(seen[0]).to.deep.equal({ receivedBytes: 0, totalBytes: bytes.length });
    expect(seen.at(-1)).to.deep.equal({ receivedBytes: bytes.length, totalBytes: bytes.length });
  });

  it("sends no request if the data set exists", async () => {
    const archive = await start(sendFile(bytes));
    await fetchTo(archive);
    await expectWhole(await fetchTo(archive));
    expect(server!.requests).to.have.lengthOf(1);
  });

  it("resumes where the connection was cut, and downloads no byte twice", async () => {
    const archive = await start(sendStart(bytes, HALF), sendFile(bytes));
    const error = await failureOf(fetchTo(archive));
    expect(error.code).to.equal("DOWNLOAD_FAILED");
    expect(error.message).to.contain(`of ${bytes.length} bytes`).and.to.contain("resumes from").and.to.contain(
      "manually",
    );
    const part = await readFile(scratch("data", "cifar-100-binary.tar.gz.part"));
    expect(part.length).to.be.within(1, HALF);
    expect(part.equals(bytes.subarray(0, part.length))).to.equal(true);

    const seen: DownloadProgress[] = [];
    await expectWhole(await fetchTo(archive, { onProgress: (progress) => seen.push(progress) }));
    expect(server!.requests[1]!.headers).to.include({ range: `bytes=${part.length}-`, "if-range": '"one"' });
    expect(seen[0]).to.deep.equal({ receivedBytes: part.length, totalBytes: bytes.length });
  });

  it("resumes by date if the server sends no entity tag, or only a weak one", async () => {
    const date = "Mon, 01 Jan 2024 00:00:00 GMT";
    const archive = await start(sendStart(bytes, HALF, { etag: 'W/"one"', "last-modified": date }),
      sendFile(bytes, date));
    await failureOf(fetchTo(archive));
    await expectWhole(await fetchTo(archive));
    expect(server!.requests[1]!.headers["if-range"]).to.equal(date);
  });

  it("restarts if the server sends no parts", async () => {
    const archive = await start(sendStart(bytes, HALF), (_request, response) => {
      response.writeHead(200);
      response.end(bytes);
    });
    await failureOf(fetchTo(archive));
    const seen: DownloadProgress[] = [];
    await expectWhole(await fetchTo(archive, { onProgress: (progress) => seen.push(progress) }));
    expect(server!.requests[1]!.headers).to.have.property("range");
    expect(seen[0]).to.deep.equal({ receivedBytes: 0, totalBytes: null });
  });

  it("restarts if the file has changed", async () => {
    const archive = await start(sendStart(bytes, HALF), sendFile(bytes, '"two"'));
    await failureOf(fetchTo(archive));
    await expectWhole(await fetchTo(archive));
  });

  it("restarts if nothing distinguishes versions of the file", async () => {
    const archive = await start(sendStart(bytes, HALF, {}), sendFile(bytes));
    expect((await failureOf(fetchTo(archive))).message).not.to.contain("resumes from");
    await expectWhole(await fetchTo(archive));
    expect(server!.requests[1]!.headers).not.to.have.property("range");
  });

  it("restarts if the file on the server is shorter than the part", async () => {
    const archive = await start(sendStart(bytes, HALF), sendStatus(416), sendFile(bytes));
    await failureOf(fetchTo(archive));
    await expectWhole(await fetchTo(archive));
    expect(server!.requests[2]!.headers).not.to.have.property("range");
  });

  it("restarts if the server sends another part than requested", async () => {
    const archive = await start(sendStart(bytes, HALF),
      sendStatus(206, { "content-range": `bytes 5-9/${bytes.length}` }), sendFile(bytes));
    await failureOf(fetchTo(archive));
    await expectWhole(await fetchTo(archive));
  });

  it("keeps the part when the server fails", async () => {
    const archive = await start(sendStart(bytes, HALF), sendStatus(503), sendFile(bytes));
    await failureOf(fetchTo(archive));
    expect((await failureOf(fetchTo(archive))).message).to.contain("status 503").and.to.contain("resumes from");
    await expectWhole(await fetchTo(archive));
    expect(server!.requests[2]!.headers).to.have.property("range");
  });

  it("follows redirects, with the range", async () => {
    const archive = await start(sendStart(bytes, HALF), sendStatus(302, { location: "/moved.tar.gz" }),
      sendFile(bytes));
    await failureOf(fetchTo(archive));
    await expectWhole(await fetchTo(archive));
    expect(server!.requests[2]!.url).to.equal("/moved.tar.gz");
    expect(server!.requests[2]!.headers).to.have.property("range");
  });

  it("gives up on circular redirects, and on redirects to other protocols", async () => {
    const round = await start(sendStatus(302, { location: "/again" }));
    expect((await failureOf(fetchTo(round))).message).to.contain("Maximum number of redirects exceeded");
    await server!.close();
    const elsewhere = await start(sendStatus(302, { location: "file:///etc/hostname" }));
    expect((await failureOf(fetchTo(elsewhere))).message).to.contain("Unsupported protocol file:");
  });

  it("stores the bytes as they are even if the server labels them gzip", async () => {
    const archive = await start((_request, response) => {
      response.writeHead(200, { "content-encoding": "x-gzip", "content-length": bytes.length });
      response.end(bytes);
    });
    await expectWhole(await fetchTo(archive));
  });

  it("removes an archive whose checksum is wrong", async () => {
    const damaged = Buffer.from(bytes);
    damaged[1000] = damaged[1000]! ^ 1;
    const archive = await start(sendFile(damaged), sendFile(bytes));
    const error = await failureOf(fetchTo(archive));
    expect(error.code).to.equal("CHECKSUM_MISMATCH");
    expect(error.message).to.contain(layout.md5);
    expect(await readdir(scratch("data"))).to.deep.equal([]);
    await expectWhole(await fetchTo(archive));
  });

  it("reports the status and the manual way if the server has no such file", async () => {
    const error = await failureOf(fetchTo(await start(sendStatus(404))));
    expect(error.code).to.equal("DOWNLOAD_FAILED");
    expect(error.message).to.contain("status 404").and.to.contain("manually").and.to.contain(server!.url);
  });

  it("reports that there is no server", async () => {
    const archive = await start(sendFile(bytes));
    await server!.close();
    const error = await failureOf(fetchTo(archive));
    expect(error.code).to.equal("DOWNLOAD_FAILED");
    expect(error.message).to.contain("ECONNREFUSED");
  });

  it("stops at the signal and resumes the next time", async () => {
    const controller = new AbortController();
    const archive = await start((_request, response) => {
      response.writeHead(200, { etag: '"one"', "content-length": bytes.length });
      response.write(bytes.subarray(0, HALF));
    }, sendFile(bytes));
    const error = await failureOf(fetchTo(archive, {
      signal: controller.signal,
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes === HALF)
          setTimeout(() => {
            controller.abort();
          }, 20);
      },
    }));
    expect(error.code).to.equal("ABORTED");
    await expectWhole(await fetchTo(archive));
    expect(server!.requests[1]!.headers["range"]).to.match(/^bytes=[1-9]\d*-$/);
  });

  it("does nothing if the signal is already aborted", async () => {
    const archive = await start(sendFile(bytes));
    expect((await failureOf(fetchTo(archive, { signal: AbortSignal.abort() }))).code).to.equal("ABORTED");
    expect(server!.requests).to.have.lengthOf(0);
  });

  it("rejects an archive in which a file is missing", async () => {
    const archive = await start(sendFile(bytes));
    const error = await failureOf(fetchTo({ ...archive, files: [...layout.files, "meta.bin"] }));
    expect(error.code).to.equal("FILE_CORRUPT");
    expect(error.message).to.contain("meta.bin");
    expect(await readdir(scratch("data"))).not.to.contain("cifar-100-binary");
  });

  it("does not touch a directory with only part of the files", async () => {
    await mkdir(scratch("data", "cifar-100-binary"), { recursive: true });
    await writeFile(scratch("data", "cifar-100-binary", "test.bin"), "mine");
    const error = await failureOf(fetchTo(await start(sendFile(bytes))));
    expect(error.code).to.equal("FILE_CORRUPT");
    expect(error.message).to.contain("without train.bin");
    expect(server!.requests).to.have.lengthOf(0);
  });

  it("reports that it cannot write", async () => {
    await writeFile(scratch("data"), "a file, not a directory");
    expect((await failureOf(fetchTo(await start(sendFile(bytes))))).code).to.equal("FILE_ACCESS");
  });
});

describe("fetchDataset", () => {
  const scratch = scratchDirectory();

  it("knows the archives on the data sets' home page", () => {
    for (const { url, md5 } of Object.values(ARCHIVES)) {
      expect(new URL(url).hostname).to.equal("www.cs.toronto.edu");
      expect(md5).to.match(/^[0-9a-f]{32}$/);
    }
  });

  it("accepts another address, but never another checksum", async () => {
    const { bytes } = await makeArchive();
    const server = await serve(sendFile(bytes));
    try {
      const error = await failureOf(fetchDataset({ kind: "cifar100", directory: scratch("data"), url: server.url }));
      expect(error.code).to.equal("CHECKSUM_MISMATCH");
      expect(error.message).to.contain(ARCHIVES.cifar100.md5);
    } finally {
      await server.close();
    }
  });

  it("finds an existing copy", async () => {
    for (const { directory, files } of Object.values(ARCHIVES)) {
      await mkdir(scratch("data", directory), { recursive: true });
      for (const file of files) await writeFile(scratch("data", directory, file), "");
    }
    expect(await fetchDataset({ kind: "cifar10", directory: scratch("data") })).to.equal(
      scratch("data", "cifar-10-batches-bin"),
    );
    expect(await fetchDataset({ kind: "cifar100", directory: scratch("data") })).to.equal(
      scratch("data", "cifar-100-binary"),
    );
  });

  for (const [problem, options, text] of [
    ["an unknown data set", { kind: "cifar1000", directory: "data" }, 'Did you mean "cifar100"?'],
    ["an address that is none of the web", { kind: "cifar10", directory: "data", url: "ftp://host/file" },
      "invalid url in fetch options: expected an http or https address"],
    ["a missing directory", { kind: "cifar10" },
      "invalid directory in fetch options: expected a path, received nothing."],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      const error = await failureOf(fetchDataset(options as unknown as Parameters<typeof fetchDataset>[0]));
      expect(error.code).to.equal("INVALID_ARGUMENT");
      expect(error.message).to.contain(text);
    });
  }
});
