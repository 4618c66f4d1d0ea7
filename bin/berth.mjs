#!/usr/bin/env node
// Starts the command line on a Node that can run it: this one, or the one that npm installed beside Berth.
import { spawn } from 'node:child_process'
import * as module from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { findNode, isRecentEnough, nodePackage, oldestNode } from './find-node.mjs'

const relaunchedMark = 'BERTH_RELAUNCHED'
// The young generation may grow to 128 MiB by default, all of it garbage: eight uploads and downloads of a GiB at once peak at 247 MiB with this flag,
// at 285 without it, at the same speed. It counts at the start of a process only.
const flags = ['--max-semi-space-size=8']
// A process that was relaunched and is old all the same would relaunch for ever.
const node = process.env[relaunchedMark] === undefined ? findNode() : undefined

if (isRecentEnough(process.versions.node)) run()
else if (node === undefined) refuse()
else relaunch(node)

async function run() {
  if (process.env[relaunchedMark] === undefined) becomeFlagged()
  delete process.env[relaunchedMark]
  // Files are read and written by libuv's threads, and half of them may wait for a slow disk (server/blobs/sync-gate.ts). Read at their first use.
  process.env.UV_THREADPOOL_SIZE ??= '16'
  // In a directory of this installation: one below /tmp could be another user's. Without write access there is no cache.
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/berth/', import.meta.url)))
  const { main } = await import('../cli/main.ts')
  await main(process.argv.slice(2))
}

/** Makes this process the same one with the flags, where the system can do that (20 ms); a parent that talks to this process would be cut off. */
function becomeFlagged() {
  if (process.execve === undefined || process.channel !== undefined) return
  const env = Object.assign({}, process.env, { [relaunchedMark]: '1' })
  process.execve(process.execPath, [process.execPath, ...flags, ...process.execArgv, ...process.argv.slice(1)], env)
}

function refuse() {
  console.error(
    `Berth needs Node ${oldestNode} or newer and this is ${process.versions.node}: install a newer one, or run "npm install" here, ` +
      `which brings one along as ${nodePackage} where npm has that package.`,
  )
  process.exitCode = 1
}

/** Runs the same command line in the other Node, and is to the outside what that process is: its signals, its exit. */
function relaunch(path) {
  // The channel tells the child when this process is killed, so that it does not stay behind.
  const child = spawn(path, [...flags, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: Object.assign({}, process.env, { [relaunchedMark]: '1' }),
  })
  child.channel?.unref?.()
  const forward = (signal) => child.kill(signal)
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  child.once('error', (error) => {
    console.error(`Berth cannot start ${path}: ${error.message}`)
    process.exitCode = 1
  })
  child.once('exit', (code, signal) => {
    for (const each of signals) process.removeListener(each, forward)
    if (signal === null) process.exit(code ?? 1)
    process.kill(process.pid, signal)
    // A signal that does not end this process (it is the first of its container) still gives the status that says so.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 1)), 1000)
  })
}
