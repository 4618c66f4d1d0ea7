/** A second factor: a code of an app, a passkey or security key, a recovery code. */
import type { BodyOf } from '#api/contract.ts'
import type { giveSecondFactor } from '#api/routes/session.ts'
import { Anchor, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { Fingerprint } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { client } from '../api/client.ts'
import { challengeFactor } from '../api/routes.ts'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { Said } from './said.ts'
import { useTry } from './use-try.ts'

export type Proof = BodyOf<typeof giveSecondFactor>
export type ProofKind = Proof['kind']

interface ProofFormProps {
  readonly kinds: readonly ProofKind[]
  readonly prove: (proof: Proof) => Promise<void>
}

export function ProofForm({ kinds, prove }: ProofFormProps) {
  const { t } = useTranslation()
  const [kind, setKind] = useState<ProofKind>(kinds[0] ?? 'totp')
  const others = kinds.filter((each) => each !== kind)
  return (
    <Stack>
      {kind === 'webauthn' ? <KeyProof prove={prove} /> : <CodeProof key={kind} kind={kind} prove={prove} />}
      {others.length > 0 && (
        <Group gap="md" justify="center">
          {others.map((each) => (
            <Anchor key={each} component="button" type="button" size="sm" onClick={() => setKind(each)}>
              {t(`proof.use.${each}`)}
            </Anchor>
          ))}
        </Group>
      )}
    </Stack>
  )
}

function CodeProof({ kind, prove }: { readonly kind: 'totp' | 'recovery'; readonly prove: ProofFormProps['prove'] }) {
  const { t } = useTranslation()
  const [code, setCode] = useState('')
  return (
    <Form save={() => prove({ kind, code: code.trim() })} submit={t('common.continue')} isFull>
      <TextInput
        label={t(`proof.label.${kind}`)}
        value={code}
        onChange={(event) => setCode(event.currentTarget.value)}
        autoComplete="one-time-code"
        inputMode={kind === 'totp' ? 'numeric' : 'text'}
        autoFocus
        required
        withAsterisk={false}
        classNames={{ input: 'mono' }}
      />
    </Form>
  )
}

function KeyProof({ prove }: { readonly prove: ProofFormProps['prove'] }) {
  const { t } = useTranslation()
  const { error, isBusy, attempt } = useTry()
  const ask = async () => {
    const options = (await client.call(challengeFactor)) as unknown as PublicKeyCredentialRequestOptionsJSON
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
    // Whoever gives it up, or has no such key, is told by the browser as an error.
    const credential = await navigator.credentials.get({ publicKey }).catch(() => null)
    if (!(credential instanceof PublicKeyCredential)) throw new Said(t('proof.noKey'))
    await prove({ kind: 'webauthn', response: credential.toJSON() as { readonly id: string } })
  }
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {t('proof.keyText')}
      </Text>
      {error !== undefined && <Problem error={error} />}
      <Button leftSection={<Fingerprint size={16} />} loading={isBusy} onClick={() => attempt(ask)} autoFocus>
        {t('proof.useKey')}
      </Button>
    </Stack>
  )
}
