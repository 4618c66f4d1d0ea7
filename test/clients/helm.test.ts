import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { digestOfBytes } from '../support/registry-client.ts'
import { password, plain, tls, user } from './servers.ts'
import { openWorkplace } from './workplace.ts'
import type { Workplace } from './workplace.ts'

const helmProgram = process.env['BERTH_TEST_HELM'] ?? 'helm'
let work: Workplace

before(async () => {
  work = await openWorkplace('helm')
  await helm('create', 'chart')
  await helm('package', 'chart')
  await helm('package', 'chart', '--version', '0.2.0+build.7')
})
after(() => work?.[Symbol.asyncDispose]())

async function helm(...args: string[]): Promise<string> {
  const { output } = await work.run([helmProgram, ...args], { cwd: work.path })
  return output
}

for (const server of [plain, tls]) {
  const trust = server.authorityFile === undefined ? ['--plain-http'] : ['--ca-file', server.authorityFile]
  const charts = `oci://${server.host}/helm`

  describe(`Helm over ${server.name}`, () => {
    test('a push without login and a login with a wrong password are refused', async () => {
      const push = [helmProgram, 'push', 'chart-0.1.0.tgz', charts, ...trust]
      assert.match((await work.runRefused(push, { cwd: work.path })).output, /401|unauthorized|basic credential not found/iu)
      const login = [helmProgram, 'registry', 'login', server.host, '-u', user, '--password-stdin', ...trust]
      assert.match((await work.runRefused(login, { input: 'wrong' })).output, /401|unauthorized/iu)
      assert.match((await work.run(login, { input: password })).output, /Login Succeeded/u)
    })

    test('a pushed chart is pulled back byte for byte', async () => {
      const pushed = /Digest: (sha256:[0-9a-f]{64})/u.exec(await helm('push', 'chart-0.1.0.tgz', charts, ...trust))?.[1]
      assert.equal(await server.direct.digestOf('helm/chart', '0.1.0'), pushed)
      await helm('pull', `${charts}/chart`, '--version', '0.1.0', '--destination', work.file('tmp'), ...trust)
      const [before, after] = await Promise.all([readFile(work.file('chart-0.1.0.tgz')), readFile(work.file('tmp', 'chart-0.1.0.tgz'))])
      assert.equal(digestOfBytes(after), digestOfBytes(before))
      await work.run(['rm', work.file('tmp', 'chart-0.1.0.tgz')])
    })

    test('a version with build metadata becomes a tag that Helm finds again', async () => {
      await helm('push', 'chart-0.2.0+build.7.tgz', charts, ...trust)
      assert.notEqual(await server.direct.digestOf('helm/chart', '0.2.0_build.7'), undefined)
      assert.match(await helm('show', 'chart', `${charts}/chart`, '--version', '0.2.0+build.7', ...trust), /version: 0\.2\.0\+build\.7/u)
    })

    test('the newest version is found by the list of tags', async () => {
      assert.match(await helm('show', 'chart', `${charts}/chart`, ...trust), /version: 0\.2\.0\+build\.7/u)
      assert.match(await helm('show', 'chart', `${charts}/chart`, '--version', '~0.1', ...trust), /version: 0\.1\.0/u)
    })

    test('a chart that is not there is an error that says so', async () => {
      const show = [helmProgram, 'show', 'chart', `${charts}/absent`, '--version', '1.0.0', ...trust]
      assert.match((await work.runRefused(show)).output, /not found/iu)
    })

    test('logout forgets the account', async () => {
      await helm('registry', 'logout', server.host)
      const show = [helmProgram, 'show', 'chart', `${charts}/chart`, '--version', '0.1.0', ...trust]
      assert.match((await work.runRefused(show)).output, /401|unauthorized|basic credential not found/iu)
    })
  })
}
