/** One's own second factors. */
import type { ResponseOf } from '#api/contract.ts'
import type { listFactors as listFactorsContract } from '#api/routes/session.ts'
import { ActionIcon, Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import i18next from 'i18next'
import { Fingerprint, ShieldCheck, Smartphone, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { encode } from 'uqr'
import { change, query } from '../../api/client.ts'
import {
  confirmTotp,
  confirmWebAuthn,
  listFactors,
  readSession,
  removeFactor,
  renewRecoveryCodes,
  startTotp,
  startWebAuthn,
} from '../../api/routes.ts'
import { Command } from '../../parts/copy.tsx'
import { act, Dialog, Form, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { Said } from '../../parts/said.ts'
import { RelativeTime } from '../../parts/relative-time.tsx'

interface Secret {
  readonly secret: string
  readonly uri: string
}

export function Factors() {
  const { t } = useTranslation()
  const list = useQuery(query(listFactors))
  const [app, setApp] = useState<Secret>()
  const [codes, setCodes] = useState<readonly string[]>()
  return (
    <Panel title={t('factors.title')}>
      <Stack>
        <Loaded of={list} rows={2}>
          {({ items, recoveryCodesLeft }) => (
            <>
              {items.length === 0 && (
                <Text size="sm" c="dimmed">
                  {t('factors.none')}
                </Text>
              )}
              {items.map((factor) => (
                <FactorRow key={factor.id} factor={factor} />
              ))}
              {items.length > 0 && <RecoveryCodes left={recoveryCodesLeft} onMade={setCodes} />}
            </>
          )}
        </Loaded>
        <Group gap="xs">
          <WorkButton
            variant="default"
            leftSection={<Smartphone size={15} />}
            work={async () => setApp(await change(startTotp, undefined))}
          >
            {t('factors.addApp')}
          </WorkButton>
          {'PublicKeyCredential' in globalThis && (
            <WorkButton
              variant="default"
              leftSection={<Fingerprint size={15} />}
              work={async () => setCodes(await addKey(t('factors.webauthn')))}
            >
              {t('factors.addKey')}
            </WorkButton>
          )}
        </Group>
      </Stack>
      <Dialog title={t('factors.addApp')} opened={app !== undefined} close={() => setApp(undefined)}>
        {app !== undefined && (
          <AddApp
            app={app}
            onDone={(made) => {
              setApp(undefined)
              setCodes(made)
            }}
          />
        )}
      </Dialog>
      <Dialog title={t('factors.codes')} opened={codes !== undefined} close={() => setCodes(undefined)} isHeld>
        {codes !== undefined && <Codes codes={codes} close={() => setCodes(undefined)} />}
      </Dialog>
    </Panel>
  )
}

type Factor = ResponseOf<typeof listFactorsContract>['items'][number]
const touched = [listFactors, readSession]

function FactorRow({ factor: { id, kind, name, lastUsedAt } }: { readonly factor: Factor }) {
  const { t } = useTranslation()
  return (
    <Group justify="space-between" wrap="nowrap">
      <Group gap="sm" wrap="nowrap" style={{ minWidth: 0 }}>
        {kind === 'totp' ? <Smartphone size={17} aria-hidden /> : <Fingerprint size={17} aria-hidden />}
        <div style={{ minWidth: 0 }}>
          <Text fw={500} className="cut">
            {name}
          </Text>
          <Text size="sm" c="dimmed" component="div">
            {t(`factors.${kind}`)} · {lastUsedAt === null ? t('tokens.unused') : <RelativeTime at={lastUsedAt} />}
          </Text>
        </div>
      </Group>
      <ActionIcon
        aria-label={t('factors.remove', { name })}
        onClick={() => void act(() => change(removeFactor, { params: { factor: id } }, touched))}
      >
        <Trash2 size={15} />
      </ActionIcon>
    </Group>
  )
}

function RecoveryCodes({ left, onMade }: { readonly left: number; readonly onMade: (codes: readonly string[]) => void }) {
  const { t } = useTranslation()
  const renew = async () => onMade((await change(renewRecoveryCodes, undefined, touched)).recoveryCodes)
  return (
    <Group justify="space-between">
      <Group gap="xs">
        <ShieldCheck size={17} aria-hidden />
        <Text size="sm">{t('factors.codesLeft')}</Text>
        <Badge>{left}</Badge>
      </Group>
      <WorkButton size="compact-sm" variant="default" work={renew}>
        {t('factors.newCodes')}
      </WorkButton>
    </Group>
  )
}

/** The recovery codes that come with the first factor. */
async function addKey(name: string): Promise<readonly string[] | undefined> {
  const options = (await change(startWebAuthn, undefined)) as unknown as PublicKeyCredentialCreationOptionsJSON
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
  const credential = await navigator.credentials.create({ publicKey }).catch(() => null)
  if (!(credential instanceof PublicKeyCredential)) throw new Said(i18next.t('proof.noKey'))
  const made = await change(confirmWebAuthn, { body: { name, response: credential.toJSON() as { readonly id: string } } }, touched)
  return made.recoveryCodes
}

function AddApp({ app, onDone }: { readonly app: Secret; readonly onDone: (codes: readonly string[] | undefined) => void }) {
  const { t } = useTranslation()
  const { draft, text } = useDraft({ name: t('factors.totp') as string, code: '' })
  const confirm = async () => {
    const made = await change(confirmTotp, { body: { code: draft.code.trim(), name: draft.name.trim() } }, touched)
    onDone(made.recoveryCodes)
  }
  return (
    <Form save={confirm} submit={t('common.add')} isFull>
      <Text size="sm" c="dimmed">
        {t('factors.scan')}
      </Text>
      <QrCode text={app.uri} label={t('factors.qr')} />
      <Command text={app.secret} label={t('secret.secret')} />
      <TextInput label={t('common.name')} {...text('name')} required withAsterisk={false} />
      <TextInput
        label={t('proof.label.totp')}
        {...text('code')}
        inputMode="numeric"
        autoComplete="one-time-code"
        data-autofocus
        required
        withAsterisk={false}
      />
    </Form>
  )
}

/** Drawn here: the secret goes nowhere. */
function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const { data, size } = encode(text, { border: 2 })
  const path = data.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : ''))).join('')
  return (
    <svg
      viewBox={`0 0 ${size} ${size}`}
      width={200}
      height={200}
      role="img"
      aria-label={label}
      style={{ alignSelf: 'center', background: '#fff', borderRadius: 8 }}
      shapeRendering="crispEdges"
    >
      <path d={path} fill="#000" />
    </svg>
  )
}

function Codes({ codes, close }: { readonly codes: readonly string[]; readonly close: () => void }) {
  const { t } = useTranslation()
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {t('factors.codesText')}
      </Text>
      <pre className="json panel">{codes.join('\n')}</pre>
      <Command text={codes.join(' ')} label={t('factors.codes')} />
      <Button onClick={close}>{t('secret.kept')}</Button>
    </Stack>
  )
}
