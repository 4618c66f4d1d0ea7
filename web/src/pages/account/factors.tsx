/** One's own second factors. */
import type { ResponseOf } from '#api/contract.ts'
import type { listFactors as listFactorsContract } from '#api/routes/session.ts'
import { ActionIcon, Badge, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
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
import { Panel, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useTry } from '../../parts/use-try.ts'

interface Secret {
  readonly secret: string
  readonly uri: string
}

export function Factors() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(listFactors))
  const [app, setApp] = useState<Secret>()
  const [codes, setCodes] = useState<readonly string[]>()
  const { error: failure, isBusy, attempt } = useTry()
  return (
    <Panel title={t('factors.title')}>
      <Stack>
        {error !== null && <Problem error={error} />}
        {failure !== undefined && <Problem error={failure} />}
        {data === undefined && error === null && <Waiting rows={2} />}
        {data?.items.length === 0 && (
          <Text size="sm" c="dimmed">
            {t('factors.none')}
          </Text>
        )}
        {data?.items.map((factor) => (
          <FactorRow key={factor.id} factor={factor} />
        ))}
        {data !== undefined && data.items.length > 0 && <RecoveryCodes left={data.recoveryCodesLeft} onMade={setCodes} />}
        <Group gap="xs">
          <Button
            variant="default"
            leftSection={<Smartphone size={15} />}
            disabled={isBusy}
            onClick={() => attempt(async () => setApp(await change(startTotp, undefined)))}
          >
            {t('factors.addApp')}
          </Button>
          {'PublicKeyCredential' in globalThis && (
            <Button
              variant="default"
              leftSection={<Fingerprint size={15} />}
              disabled={isBusy}
              onClick={() => attempt(async () => setCodes(await addKey(t('factors.webauthn'))))}
            >
              {t('factors.addKey')}
            </Button>
          )}
        </Group>
      </Stack>
      <Modal
        opened={app !== undefined}
        onClose={() => setApp(undefined)}
        title={t('factors.addApp')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {app !== undefined && (
          <AddApp
            app={app}
            onDone={(made) => {
              setApp(undefined)
              setCodes(made)
            }}
          />
        )}
      </Modal>
      <Modal
        opened={codes !== undefined}
        onClose={() => setCodes(undefined)}
        title={t('factors.codes')}
        closeOnClickOutside={false}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {codes !== undefined && <Codes codes={codes} close={() => setCodes(undefined)} />}
      </Modal>
    </Panel>
  )
}

type Factor = ResponseOf<typeof listFactorsContract>['items'][number]
const touched = [listFactors, readSession]

function FactorRow({ factor: { id, kind, name, lastUsedAt } }: { readonly factor: Factor }) {
  const { t } = useTranslation()
  const { error, isBusy, attempt } = useTry()
  return (
    <>
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
          disabled={isBusy}
          onClick={() => attempt(() => change(removeFactor, { params: { factor: id } }, touched))}
        >
          <Trash2 size={15} />
        </ActionIcon>
      </Group>
      {error !== undefined && <Problem error={error} />}
    </>
  )
}

function RecoveryCodes({ left, onMade }: { readonly left: number; readonly onMade: (codes: readonly string[]) => void }) {
  const { t } = useTranslation()
  const { error, isBusy, attempt } = useTry()
  const renew = async () => onMade((await change(renewRecoveryCodes, undefined, touched)).recoveryCodes)
  return (
    <>
      <Group justify="space-between">
        <Group gap="xs">
          <ShieldCheck size={17} aria-hidden />
          <Text size="sm">{t('factors.codesLeft')}</Text>
          <Badge>{left}</Badge>
        </Group>
        <Button size="compact-sm" variant="default" disabled={isBusy} onClick={() => attempt(renew)}>
          {t('factors.newCodes')}
        </Button>
      </Group>
      {error !== undefined && <Problem error={error} />}
    </>
  )
}

/** The recovery codes that come with the first factor. */
async function addKey(name: string): Promise<readonly string[] | undefined> {
  const options = (await change(startWebAuthn, undefined)) as unknown as PublicKeyCredentialCreationOptionsJSON
  const credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
  if (!(credential instanceof PublicKeyCredential)) return undefined
  const made = await change(confirmWebAuthn, { body: { name, response: credential.toJSON() as { readonly id: string } } }, [
    listFactors,
    readSession,
  ])
  return made.recoveryCodes
}

function AddApp({ app, onDone }: { readonly app: Secret; readonly onDone: (codes: readonly string[] | undefined) => void }) {
  const { t } = useTranslation()
  const [name, setName] = useState(t('factors.totp'))
  const [code, setCode] = useState('')
  const { error, isBusy, attempt } = useTry()
  const confirm = async () => {
    const made = await change(confirmTotp, { body: { code: code.trim(), name: name.trim() } }, [listFactors, readSession])
    onDone(made.recoveryCodes)
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(confirm)
      }}
    >
      <Stack>
        <Text size="sm" c="dimmed">
          {t('factors.scan')}
        </Text>
        <QrCode text={app.uri} label={t('factors.qr')} />
        <Command text={app.secret} label={t('secret.secret')} />
        <TextInput
          label={t('common.name')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          withAsterisk={false}
        />
        <TextInput
          label={t('proof.label.totp')}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
          inputMode="numeric"
          autoComplete="one-time-code"
          data-autofocus
          required
          withAsterisk={false}
        />
        {error !== undefined && <Problem error={error} />}
        <Button type="submit" loading={isBusy}>
          {t('common.add')}
        </Button>
      </Stack>
    </form>
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
