import assert from 'node:assert/strict'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { systemPorts, type Files } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { createStoreMark } from './store-mark.ts'

const id = '0e3f1c6a-9a64-4d0e-8d5f-0123456789ab'

function failing(code: string, which: 'stat' | 'open'): Files {
  const fail = () => Promise.reject(Object.assign(new Error(`${code}: no`), { code, syscall: which }))
  return { ...fs, [which]: fail } as Files
}

suite('the mark of a store', () => {
  for (const [code, says] of [
    ['EACCES', /this user may not: grant the right to read it/u],
    ['EPERM', /this user may not/u],
    ['EIO', /cannot be read: EIO/u],
  ] as const) {
    for (const which of ['stat', 'open'] as const)
      test(`is told of in one sentence where ${which} says ${code}, and the store is away`, async () => {
        await using directory = await temporaryDirectory('mark')
        const { random } = systemPorts
        await createStoreMark(directory.path, { files: fs, random }).write(id)
        const mark = createStoreMark(directory.path, { files: failing(code, which), random })
        await assert.rejects(mark.read(), (error: Error) => error.cause === undefined && says.test(error.message))
        mark.expect(id)
        await assert.rejects(mark.require(), (error) => error instanceof RegistryError && error.code === 'UNAVAILABLE')
      })
  }

  test('is one stat as long as nobody wrote to it', async () => {
    await using directory = await temporaryDirectory('mark')
    const calls: string[] = []
    const files = {
      ...fs,
      stat: (path: string) => (calls.push('stat'), fs.stat(path)),
      open: (path: string, flags: string) => (calls.push('open'), fs.open(path, flags)),
    } as unknown as Files
    const mark = createStoreMark(directory.path, { files, random: systemPorts.random })
    await mark.write(id)
    mark.expect(id)
    await mark.require()
    calls.length = 0
    for (let time = 0; time < 3; time++) await mark.require()
    assert.deepEqual(calls, ['stat', 'stat', 'stat'])
    const text = await fs.readFile(mark.path)
    await fs.writeFile(mark.path, text.toString().replace(id, id.replace('0e3f', '1111')))
    await assert.rejects(mark.require(), { code: 'UNAVAILABLE' })
    await fs.writeFile(mark.path, text)
    await mark.require()
  })

  for (const [what, text] of [
    ['nothing', ''],
    ['half an id', id.slice(0, 20)],
    ['an id without its end', id],
    ['zeros', '\0'.repeat(4096)],
  ] as const)
    test(`was not written to its end where it holds ${what}`, async () => {
      await using directory = await temporaryDirectory('mark')
      const mark = createStoreMark(directory.path, systemPorts)
      await fs.mkdir(join(directory.path, 'blobs'))
      await fs.writeFile(mark.path, text)
      assert.equal(await mark.read(), undefined)
    })
})
