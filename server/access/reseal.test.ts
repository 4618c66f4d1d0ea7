import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transaction } from '#metadata/transaction.ts'
import { sealedValues } from '#metadata/sealed-values.ts'
import { resealSecrets } from './reseal.ts'
import { createSecretBox } from './secret-box.ts'
import { rotateSigningKey } from './signing-keys.ts'
import { addTestProvider, makeTestDirectory, testWho } from './test-vouched.ts'

const setSecrets = transaction(
  import.meta.url,
  'test-reseal/set',
  async (tx, { id, value }: { readonly id: number; readonly value: Buffer }) => {
    await tx
      .updateTable('providers')
      .set({ secrets: Buffer.from(value) })
      .where('id', '=', id)
      .execute()
  },
)

test('everything is sealed again under the first key, and then needs nothing', async () => {
  await using directory = await makeTestDirectory()
  const { metadata, ports } = directory
  await rotateSigningKey(directory, 'ES256', testWho)
  const id = await addTestProvider(directory, 'corp', 'ldap')
  await metadata.write(setSecrets, { id, value: directory.secrets.seal('{"bindPassword":"hunter2"}', `provider/${id}`) })
  const [older, newer] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const secrets = createSecretBox([newer, older], ports.random)
  assert.deepEqual(await resealSecrets({ metadata, secrets }), { resealed: 2, current: 0, changed: 0, broken: [] })
  assert.deepEqual(await resealSecrets({ metadata, secrets }), { resealed: 0, current: 2, changed: 0, broken: [] })
  const alone = createSecretBox([newer], ports.random)
  assert.deepEqual(await resealSecrets({ metadata, secrets: alone }), { resealed: 0, current: 2, changed: 0, broken: [] })
  const [row] = (await sealedValues(metadata.reader)).filter(({ table }) => table === 'providers')
  assert.equal(alone.open(row?.value ?? Buffer.alloc(0), `provider/${id}`), '{"bindPassword":"hunter2"}')
})

test('what does not open is left as it is, and named', async () => {
  await using directory = await makeTestDirectory()
  const { metadata, ports } = directory
  const id = await addTestProvider(directory, 'corp', 'ldap')
  await metadata.write(setSecrets, { id, value: directory.secrets.seal('x', 'provider/99') })
  assert.deepEqual((await resealSecrets(directory)).broken, [`provider/${id}`])
  const lost = createSecretBox([Buffer.alloc(32, 9)], ports.random)
  assert.deepEqual((await resealSecrets({ metadata, secrets: lost })).broken, [`provider/${id}`])
})
