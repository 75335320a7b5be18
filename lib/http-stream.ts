import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";

const MAX_REDIRECTS = 5;

/** A connection on which nothing moves for this long counts as lost. */
const SILENCE_MS = 60_000;

/** An answer whose body has not been read yet. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/**
 * Asks for the bytes behind an address as the server stores them, and follows redirects. Not `fetch`, which would unpack
 * a body that a server labels as gzip: the checksum is that of the archive.
 */
export async function openHttp(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<HttpAnswer> {
  let address = new URL(url);
  for (let redirects = 0; ; redirects++) {
    const answer = await requestOnce(address, headers, signal);
    const { location } = answer.headers;
    if (answer.status < 300 || answer.status >= 400 || location === undefined) return answer;
    answer.body.destroy();
    if (redirects === MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects`);
    address = new URL(location, address);
  }
}

function requestOnce(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<HttpAnswer> {
  if (url.protocol !== "http:" && url.protocol !== "https:") return Promise.reject(new Error(`a redirect to ${url.protocol} is not followed`));
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, ...(signal === undefined ? {} : { signal }) });
    sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error(`nothing was received for ${SILENCE_MS / 1000} seconds`)));
    sent.once("error", reject);
    sent.once("response", (body) => {
      resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
    });
    sent.end();
  });
}
