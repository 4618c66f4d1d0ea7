import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { run } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))
const printedPassword = /^ +password +(\S+)$/mu

interface Listed {
  readonly items: readonly { readonly state: string; readonly address: string; readonly processId: number }[]
  readonly warnings: readonly string[]
}

test('berth node list shows every process, with what is wrong with them, and a page of metrics counts each once', async () => {
  await using berth = await startBerth({ workers: 2, config: { auth: 'accounts' } })
  await until('the password is printed', () => printedPassword.test(berth.logs()))
  const password = printedPassword.exec(berth.logs())?.[1] ?? ''
  const env = { PATH: process.env['PATH'] ?? '', BERTH_SERVER: berth.url, BERTH_USER: 'admin', BERTH_TOKEN: password, HOME: berth.dataDir }
  const nodeList = (...flags: readonly string[]) => run([process.execPath, launcher, 'node', 'list', ...flags], { env })
  const list = async () => JSON.parse((await nodeList('--json')).stdout) as Listed
  await until('two workers', async () => (await list()).items.length === 2)
  const { items, warnings } = await list()
  assert.deepEqual(
    items.map(({ state }) => state),
    ['serving', 'serving'],
  )
  assert.deepEqual(warnings, [])
  const shown = await nodeList()
  assert.match(shown.stdout, /^NODE +ADDRESS +PROCESS +STATE +VERSION +SINCE +SEEN +CLOCK\n/)
  const page = (
    await sendRequest(`${berth.url}/metrics`, { headers: { authorization: basicAuthorization('admin', password) } })
  ).body.toString()
  assert.match(page, /^registry_nodes\{state="serving"\} 2$/m)
  process.kill(items[0]?.processId ?? 0, 'SIGKILL')
  await until('its successor', async () => (await list()).items.length === 3)
})
