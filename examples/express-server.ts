// A server that trains on request, in a worker, and streams the events as server-sent events: whatever happens in
// training, it keeps answering.
//   node --import tsx examples/express-server.ts [PORT] [DIRECTORY]
//   curl -N -X POST -H 'content-type: application/json' -d '{"epochs":2}' localhost:3000/runs/first
//   curl -X DELETE localhost:3000/runs/first      stops it; the same POST resumes it
import { existsSync } from "node:fs";
import { join } from "node:path";
import express from "express";
import { isReviewKdError, startWorker } from "reviewkd/worker";
import { z } from "zod";

const [port = "3000", directory = "runs"] = process.argv.slice(2);

/** The names that a client may use. A name becomes that of a directory: no dots, no slashes. */
const Name = z.string().regex(/^[a-z0-9-]+$/);
const Request = z.strictObject({ student: z.string().default("resnet8"),
  epochs: z.int().positive().max(1000).default(2) });

const running = new Map<string, AbortController>();
const app = express();
app.use(express.json());

app.post("/runs/:name", async (request, response) => {
  const name = Name.safeParse(request.params.name);
  const wanted = Request.safeParse(request.body ?? {});
  if (!name.success || !wanted.success) {
    response.status(400).json({ error: z.prettifyError((name.error ?? wanted.error) as z.ZodError) });
    return;
  }
  if (running.has(name.data)) {
    response.status(409).json({ error: `the run ${name.data} is already running` });
    return;
  }
  const controller = new AbortController();
  running.set(name.data, controller);
  // A disconnected client stops its run, which saves its progress.
  response.on("close", () => {
    controller.abort();
  });
  response.setHeader("content-type", "text/event-stream");
  const send = (event: { readonly type: string }): void => {
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  };

  // One worker for each run: when one exits, the others keep training.
  const rk = await startWorker();
  try {
    const runDirectory = join(directory, name.data);
    const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 256, testSamples: 64 });
    const teacher = await rk.createModel("resnet14", { numClasses: data.numClasses, seed: 1 });
    const student = await rk.createModel(wanted.data.student, { numClasses: data.numClasses, seed: 2 });
    const distiller = await rk.createDistiller({ teacher, student });
    const resume = existsSync(join(runDirectory, "last.safetensors"));
    const settings = { epochs: wanted.data.epochs, batchSize: 32, runDirectory, resume, signal: controller.signal };
    for await (const event of rk.fit({ distiller, data, ...settings })) send(event);
  } catch (error) {
    const failure = { type: "error", code: isReviewKdError(error) ? error.code : "INTERNAL",
      message: error instanceof Error ? error.message : String(error) };
    send(failure);
  } finally {
    running.delete(name.data);
    await rk.close();
    response.end();
  }
});

app.delete("/runs/:name", (request, response) => {
  const controller = running.get(request.params.name);
  controller?.abort();
  response.status(controller === undefined ? 404 : 202).end();
});

app.get("/runs", (_request, response) => {
  response.json([...running.keys()]);
});

const server = app.listen(Number(port), "127.0.0.1", () => {
  const address = server.address();
  console.log(`listening on http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}`);
});
process.on("SIGTERM", () => {
  for (const controller of running.values()) controller.abort();
  server.close();
});
