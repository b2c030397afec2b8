/*
 * azure_sdk.js - Microsoft's own client (@azure/batch) in a session with an account of Batch: pools,
 * nodes, a job, 200 tasks, lists in pages, files by ranges, autoscale, errors, deletion.
 *
 *     AZURE_BATCH_ACCESS_KEY=... node azure_sdk.js ENDPOINT ACCOUNT MODULES [API-VERSION]
 *
 * The key is no argument: other tests, beside this one, look for keys in everybody's command lines.
 * Ends with 0 and one line of JSON, or with the first thing that was not as it should be.
 */
"use strict";
const assert = require("assert");
const [endpoint, account, modules, version] = process.argv.slice(2);
const key = process.env.AZURE_BATCH_ACCESS_KEY;
const { BatchServiceClient, BatchSharedKeyCredentials } = require(`${modules}/@azure/batch`);

const client = new BatchServiceClient(new BatchSharedKeyCredentials(account, key), endpoint, {
  noRetryPolicy: true,
});
if (version) client.apiVersion = version;
const TASKS = 200;
const image = { publisher: "canonical", offer: "ubuntu-24_04-lts", sku: "server", version: "latest" };
const sdkPool = {
  id: "sdk",
  vmSize: "standard_d2s_v3",
  virtualMachineConfiguration: { imageReference: image, nodeAgentSKUId: "batch.node.ubuntu 24.04" },
  targetDedicatedNodes: 2,
  taskSlotsPerNode: 8,
  metadata: [{ name: "made", value: "by a test" }],
  startTask: {
    commandLine: "/bin/sh -c 'echo started >$AZ_BATCH_NODE_SHARED_DIR/started'",
    waitForSuccess: true,
  },
};

async function until(what, condition) {
  for (let tries = 0; tries < 600; tries++) {
    const found = await condition();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`not in time: ${what}`);
}

async function refused(promise, status, code) {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.statusCode, status, error.message);
    if (code) assert.strictEqual((error.body || error.response.parsedBody || {}).code, code);
    return error;
  }
  throw new Error(`${code} was expected`);
}

async function every(first, next) {
  const found = [...first];
  let pages = 1;
  for (let link = first.odatanextLink; link; pages++) {
    const page = await next(link);
    found.push(...page);
    link = page.odatanextLink;
  }
  return { found, pages };
}

async function text(answer) {
  const parts = [];
  for await (const part of answer.readableStreamBody) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function pools() {
  const images = await client.account.listSupportedImages({
    accountListSupportedImagesOptions: { filter: "verificationType eq 'verified'" },
  });
  assert(images.some((i) => i.nodeAgentSKUId === "batch.node.ubuntu 24.04"));
  assert(images.every((i) => i.verificationType === "verified"));
  await client.pool.add(sdkPool);
  await refused(client.pool.add(sdkPool), 409, "PoolExists");
  await refused(client.pool.get("none"), 404, "PoolNotFound");
  assert.strictEqual((await client.pool.exists("sdk")).body, true);
  assert.strictEqual((await client.pool.exists("none")).body, false);
  const pool = await until("the pool is steady", async () => {
    const found = await client.pool.get("SDK");
    return found.allocationState === "steady" && found.currentDedicatedNodes === 2 && found;
  });
  assert.strictEqual(pool.taskSlotsPerNode, 8);
  assert.strictEqual(pool.resizeTimeout, "PT15M");
  assert(pool.creationTime instanceof Date);
  await client.pool.patch("sdk", { metadata: [{ name: "made", value: "twice" }] },
    { poolPatchOptions: { ifMatch: pool.eTag } });
  await refused(client.pool.patch("sdk", { metadata: [] },
    { poolPatchOptions: { ifMatch: pool.eTag } }), 412, "ConditionNotMet");
  const few = await client.pool.get("sdk", { poolGetOptions: { select: "id,metadata" } });
  assert.strictEqual(few.metadata[0].value, "twice");
  assert.strictEqual(few.vmSize, undefined);
}

async function nodes() {
  const list = await until("the nodes are idle", async () => {
    const found = await client.computeNode.list("sdk");
    return found.length === 2 && found.every((n) => n.state === "idle") && found;
  });
  const node = await client.computeNode.get("sdk", list[0].id);
  assert.strictEqual(node.startTaskInfo.result, "success");
  assert(node.ipAddress !== list[1].ipAddress && node.isDedicated);
  const files = await client.file.listFromComputeNode("sdk", node.id,
    { recursive: true });
  assert(files.some((f) => f.name === "shared/started"), files.map((f) => f.name));
  const counts = await client.account.listPoolNodeCounts();
  assert.strictEqual(counts[0].dedicated.total, 2);
}

async function tasks() {
  await client.job.add({ id: "job", poolInfo: { poolId: "sdk" } });
  await refused(client.job.add({ id: "job", poolInfo: { poolId: "sdk" } }), 409, "JobExists");
  const all = [];
  for (let i = 0; i < TASKS; i++)
    all.push({ id: `t${i}`, commandLine: `/bin/sh -c 'echo ${i} äö; exit ${i % 100 === 7 ? 3 : 0}'` });
  const items = [];
  for (let i = 0; i < TASKS; i += 100)
    items.push(...(await client.task.addCollection("job", all.slice(i, i + 100))).value);
  assert.strictEqual(items.filter((i) => i.status === "success").length, TASKS);
  const again = (await client.task.addCollection("job", all.slice(0, 2))).value;
  assert(again.every((i) => i.status === "clienterror" && i.error.code === "TaskExists"));
  await until("all tasks have ended", async () =>
    (await client.job.getTaskCounts("job")).taskCounts.completed === TASKS);
  const counts = (await client.job.getTaskCounts("job")).taskCounts;
  assert.deepStrictEqual([counts.succeeded, counts.failed], [TASKS - 2, 2]);
  const options = { maxResults: 30, select: "id,state,executionInfo" };
  const { found, pages } = await every(await client.task.list("job", { taskListOptions: options }),
    (link) => client.task.listNext(link));
  assert.deepStrictEqual([found.length, pages, new Set(found.map((t) => t.id)).size],
    [TASKS, Math.ceil(TASKS / 30), TASKS]);
  const failed = await client.task.list("job",
    { taskListOptions: { filter: "executionInfo/result eq 'failure'" } });
  assert.deepStrictEqual(failed.map((t) => t.id).sort(), ["t107", "t7"]);
  assert.strictEqual(failed[0].executionInfo.exitCode, 3);
  assert.strictEqual(failed[0].executionInfo.failureInfo.category.toLowerCase(), "usererror");
}

async function files() {
  assert.strictEqual(await text(await client.file.getFromTask("job", "t5", "stdout.txt")), "5 äö\n");
  const part = await client.file.getFromTask("job", "t123", "stdout.txt",
    { fileGetFromTaskOptions: { ocpRange: "bytes=1-2" } });
  assert.strictEqual(await text(part), "23");
  const about = await client.file.getPropertiesFromTask("job", "t5", "stdout.txt");
  assert.strictEqual(about.contentLength, 7);
  const list = await client.file.listFromTask("job", "t5", { recursive: true });
  assert.deepStrictEqual(list.map((f) => f.name), ["stderr.txt", "stdout.txt", "wd"]);
  assert.strictEqual(Number(list[1].properties.contentLength), 7);
  await client.file.deleteFromTask("job", "t5", "stdout.txt");
  await refused(client.file.getPropertiesFromTask("job", "t5", "stdout.txt"), 404);
}

async function endings() {
  await client.task.add("job", { id: "long", commandLine: "sleep 600" });
  await until("it runs", async () => (await client.task.get("job", "long")).state === "running");
  await client.task.terminate("job", "long");
  assert.strictEqual((await client.task.get("job", "long")).executionInfo.failureInfo.code, "TaskEnded");
  await refused(client.task.terminate("job", "long"), 409, "TaskCompleted");
  await client.task.reactivate("job", "long");
  await client.task.deleteMethod("job", "long");
  await refused(client.task.get("job", "long"), 404, "TaskNotFound");
  await client.job.patch("job", { onAllTasksComplete: "terminatejob" });
  const job = await until("the job ends by itself", async () => {
    const found = await client.job.get("job");
    return found.state === "completed" && found;
  });
  assert.strictEqual(job.executionInfo.terminateReason, "AllTasksCompleted");
  await refused(client.task.add("job", { id: "late", commandLine: "true" }), 409, "JobCompleted");
}

async function scaling() {
  await client.pool.resize("sdk", { targetDedicatedNodes: 1, nodeDeallocationOption: "taskcompletion" });
  await refused(client.pool.resize("sdk", { targetDedicatedNodes: 3 }), 409, "PoolBeingResized");
  await until("a node is gone", async () => {
    const pool = await client.pool.get("sdk");
    return pool.allocationState === "steady" && pool.currentDedicatedNodes === 1;
  });
  const formula = "$TargetDedicatedNodes = max($PendingTasks.GetSample(1)) > 0 ? 2 : 0;";
  await refused(client.pool.enableAutoScale("sdk", { autoScaleFormula: "$Target = = 1" }), 400,
    "AutoScalingFormulaSyntaxError");
  await client.pool.enableAutoScale("sdk", { autoScaleFormula: formula });
  const run = await client.pool.evaluateAutoScale("sdk", formula);
  assert(run.results.startsWith("$TargetDedicatedNodes=0;"), run.results);
  await until("the pool is empty", async () => (await client.pool.get("sdk")).currentDedicatedNodes === 0);
}

async function deletion() {
  await client.job.deleteMethod("job");
  await until("the job is gone", async () => (await client.job.list()).length === 0);
  await client.pool.deleteMethod("sdk");
  await until("the pool is gone", async () => (await client.pool.list()).length === 0);
  const wrong = new BatchServiceClient(new BatchSharedKeyCredentials(account, "d3Jvbmc="), endpoint,
    { noRetryPolicy: true });
  await refused(wrong.pool.list(), 403);
}

(async () => {
  for (const step of [pools, nodes, tasks, files, endings, scaling, deletion]) {
    const began = Date.now();
    await step();
    console.error(`# ${step.name}: ${Date.now() - began} ms`);
  }
  console.log(JSON.stringify({ tasks: TASKS, version: client.apiVersion }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
