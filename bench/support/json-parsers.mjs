// Other ways to read the annotations of a COCO file, each as a function that passes them to `use`.
// The packages are not dependencies: npm install --no-save stream-json @streamparser/json clarinet
import { createReadStream, readFileSync } from "node:fs";

const chunks = (path, encoding) => createReadStream(path, { highWaterMark: 2 ** 16, encoding });

export const PARSERS = {
  async "JSON.parse"(path, use) {
    for (const annotation of JSON.parse(readFileSync(path, "latin1")).annotations) use(annotation);
  },

  async "stream-json"(path, use) {
    const { default: chain } = await import("stream-chain");
    const { parser } = await import("stream-json");
    const { pick } = await import("stream-json/filters/pick.js");
    const { streamArray } = await import("stream-json/streamers/stream-array.js");
    const parts = chain([chunks(path), parser({ streamValues: false }), pick({ filter: "annotations" }),
      streamArray()]);
    for await (const { value } of parts) use(value);
  },

  async "@streamparser/json"(path, use) {
    const { JSONParser } = await import("@streamparser/json");
    const parser = new JSONParser({ paths: ["$.annotations.*"], keepStack: false, stringBufferSize: 2 ** 16,
      numberBufferSize: 64 });
    parser.onValue = ({ value }) => use(value);
    for await (const chunk of chunks(path)) parser.write(chunk);
  },

  /** Single numbers and keys, of which the caller would have to assemble annotations. */
  async clarinet(path, use) {
    const { default: clarinet } = await import("clarinet");
    const parser = clarinet.parser();
    parser.onvalue = use;
    for await (const chunk of chunks(path, "utf8")) parser.write(chunk);
    parser.close();
  },
};
