import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { serve } from "../serve.mjs";

describe("the browser example's server", () => {
  let directory: string;
  let server: Server;
  let port: number;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-serve-"));
    for (const name of ["index.html", "runtime.wasm", "model.onnx"]) await writeFile(join(directory, name), name);
    server = await serve(directory, 0);
    ({ port } = server.address() as AddressInfo);
  });
  after(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });

  it("names the types of files, and isolates the page, so that the runtime can have threads", async () => {
    const typeOf = async (path: string): Promise<string | null> => {
      const response = await fetch(`http://localhost:${port}${path}`);
      await response.arrayBuffer();
      expect(response.headers.get("cross-origin-embedder-policy")).to.equal("require-corp");
      expect(response.headers.get("cross-origin-opener-policy")).to.equal("same-origin");
      return response.headers.get("content-type");
    };
    expect(await typeOf("/?model=student")).to.equal("text/html");
    expect(await typeOf("/runtime.wasm")).to.equal("application/wasm");
    expect(await typeOf("/model.onnx")).to.equal("application/octet-stream");
  });

  it("has no files outside of its directory, no directories and no broken names", async () => {
    // By http.get, since fetch would shorten the path itself.
    const statusOf = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        get({ host: "localhost", port, path }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on("error", reject);
      });
    for (const path of ["/../package.json", "/%2e%2e/%2e%2e/etc/hosts", "/..%2f..%2fetc%2fhosts", "/missing", "/%ff"])
      expect(await statusOf(path), path).to.equal(404);
    expect(await statusOf("/index.html")).to.equal(200);
  });
});
