// Serves the page to this machine:  node serve.mjs [DIRECTORY] [PORT]
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = new Map([[".html", "text/html"], [".css", "text/css"], [".js", "text/javascript"], [".mjs",
  "text/javascript"], [".json", "application/json"], [".wasm", "application/wasm"]]);

/** The first two let the runtime have threads; without them it uses one. */
const HEADERS = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp",
  "x-content-type-options": "nosniff", "cache-control": "no-cache" };

/**
 * @param {string} directory
 * @param {number} port 0 for a free one
 * @returns {Promise<import("node:http").Server>}
 */
export async function serve(directory, port) {
  const root = resolve(directory);
  const server = createServer(async ({ url = "/" }, response) => {
    try {
      const name = decodeURIComponent(new URL(url, "http://localhost").pathname);
      const path = resolve(root, `.${name.endsWith("/") ? `${name}index.html` : name}`);
      const file = await stat(path);
      if (!file.isFile() || !path.startsWith(root + sep)) throw new Error(`${path} is not served`);
      response.writeHead(200, { ...HEADERS, "content-type": TYPES.get(extname(path)) ?? "application/octet-stream",
        "content-length": file.size });
      createReadStream(path).pipe(response);
    } catch {
      response.writeHead(404, HEADERS).end("not found");
    }
  });
  await new Promise((listening) => server.listen(port, "localhost", () => listening(undefined)));
  return server;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory = join(import.meta.dirname, "web"), port = "8080"] = process.argv.slice(2);
  await serve(directory, Number(port));
  console.log(`http://localhost:${port}`);
}
