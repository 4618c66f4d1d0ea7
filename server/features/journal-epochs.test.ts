import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createDirectoryFiles } from '#blobs/directory-files.ts'
import type { NamedFiles } from '#blobs/named-files.ts'
import { systemPorts } from '#lib/ports.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { chooseEpochs, linesTakenIn } from './journal-epochs.ts'
import { completeBase, putBasePart, type JournalBase } from './journal-files.ts'

const { signal } = new AbortController()

interface Written extends Pick<JournalBase, 'line' | 'covers'> {
  readonly epoch: number
  readonly isUnfinished?: boolean
}

async function write(files: NamedFiles, epochs: readonly Written[]): Promise<void> {
  for (const { epoch, isUnfinished, ...more } of epochs) {
    const bytes = await putBasePart(files, epoch, { number: 0, lines: [{ k: 'repository', r: `library/of-${epoch}` }] })
    const base = { format: 'berth-journal', version: 1, position: 1, at: 1_000 + epoch, parts: 1, bytes, ...more } as const
    if (isUnfinished !== true) await completeBase(files, epoch, base)
  }
}

async function usesOf(epochs: readonly Written[], wanted?: readonly number[]) {
  await using place = await temporaryDirectory('epochs')
  await using files = createDirectoryFiles({ path: place.path, ...systemPorts })
  await write(files, epochs)
  const chosen = await chooseEpochs(files, { wanted, signal })
  return { uses: chosen.map(({ journal, use }) => `${journal.epoch} ${use}`), lines: linesTakenIn(chosen) }
}

suite('the epochs of a journal', () => {
  test('of one line give way to the newest, those of other lines are read, in their order', async () => {
    const { uses, lines } = await usesOf([
      { epoch: 1, line: 'one' },
      { epoch: 2, line: 'two' },
      { epoch: 3, line: 'one' },
    ])
    assert.deepEqual(uses, ['1 replaced', '2 read', '3 read'])
    assert.deepEqual(lines, ['two', 'one'])
  })

  test('that a recovery took in are not read again, nor those that it knew to be taken in before', async () => {
    const epochs = [
      { epoch: 1, line: 'one' },
      { epoch: 2, line: 'two' },
      { epoch: 3, line: 'three', covers: ['one', 'two'] },
      { epoch: 4, line: 'four' },
    ]
    const { uses, lines } = await usesOf(epochs)
    assert.deepEqual(uses, ['1 replaced', '2 replaced', '3 read', '4 read'])
    assert.deepEqual(lines, ['three', 'one', 'two', 'four'])
    assert.deepEqual((await usesOf([...epochs, { epoch: 5, line: 'five', covers: lines }])).uses.slice(2), [
      '3 replaced',
      '4 replaced',
      '5 read',
    ])
  })

  test('are each read where a former version wrote them, which says nothing of lines', async () => {
    assert.deepEqual((await usesOf([{ epoch: 3 }, { epoch: 4 }])).uses, ['3 read', '4 read'])
    const later = await usesOf([{ epoch: 3 }, { epoch: 4, line: '3@1003' }])
    assert.deepEqual(later.uses, ['3 replaced', '4 read'])
  })

  test('without an end of their beginning say nothing', async () => {
    assert.deepEqual(
      (
        await usesOf([
          { epoch: 1, line: 'one' },
          { epoch: 2, isUnfinished: true },
        ])
      ).uses,
      ['1 read', '2 unfinished'],
    )
    assert.deepEqual((await usesOf([])).uses, [])
  })

  test('are those that are named, and one that is not there cannot be', async () => {
    const epochs = [
      { epoch: 1, line: 'one' },
      { epoch: 2, line: 'one' },
      { epoch: 5, isUnfinished: true },
    ]
    assert.deepEqual((await usesOf(epochs, [1])).uses, ['1 read', '2 not chosen', '5 unfinished'])
    for (const epoch of [5, 7])
      await assert.rejects(usesOf(epochs, [epoch]), { message: `the journal has no whole epoch ${epoch}: there are 1, 2` })
  })
})
