// Files of the page's own server, with progress.

/** A failure that the page shows as it is. */
export class PageError extends Error {}

/** Downloads files, several at a time, and reports the bytes of all of them together. */
export class Downloads {
  #loaded = 0;
  #total = 0;

  constructor(private readonly onProgress: (loaded: number, total: number) => void) {}

  async get(url: string): Promise<Uint8Array<ArrayBuffer>> {
    const response = await fetch(url);
    if (!response.ok || response.body === null)
      throw new PageError(`The server has no ${url} (${response.status} ${response.statusText}).`);
    this.#total += Number(response.headers.get("content-length") ?? 0);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const reader = response.body.getReader();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      chunks.push(chunk.value);
      this.#loaded += chunk.value.length;
      // The length that a server reports is that of the compressed file if it compresses.
      this.onProgress(this.#loaded, Math.max(this.#loaded, this.#total));
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }

  async getJson(url: string): Promise<unknown> {
    try {
      return JSON.parse(new TextDecoder().decode(await this.get(url)));
    } catch (error) {
      // Some servers answer with a page instead of "not found".
      throw error instanceof SyntaxError ? new PageError(`${url} is not JSON.`) : error;
    }
  }
}
