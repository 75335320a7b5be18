import { readFile } from "node:fs/promises";
import { expandHome, messageOf, ReviewKdError } from "../../index.js";

/**
 * Reads the value of `--class-names`: a file with one name a line, or names separated by commas.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`
 */
export async function readClassNames(spec: string): Promise<string[]> {
  const file = expandHome(spec);
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    // A list of many names is longer than file names may be.
    if (["ENOENT", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new ReviewKdError("FILE_ACCESS",
      `cannot read the class names in ${spec}: ${messageOf(error)}. Pass a file with one name a line.`, {
      cause: error,
    });
  });
  const names = content === undefined ? spec.split(",") : namesIn(content);
  if (content === undefined && names.length === 1 && /[/\\.]/.test(spec))
    throw new ReviewKdError("FILE_NOT_FOUND", `no class names at ${spec}: the file does not exist. Check the path.`);
  return names.map((name) => name.trim());
}

/** One name a line, without empty lines at the end; or a list in JSON. */
function namesIn(content: string): string[] {
  if (content.trimStart().startsWith("[")) {
    const list: unknown = parsedJson(content);
    if (Array.isArray(list) && list.every((name) => typeof name === "string")) return list;
  }
  return content.trimEnd().split(/\r?\n/);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
