// Exports through Medable's own client for Node.js: the first argument says how it proves who it is.
//
// The environment names the server (BASE), the org (ORG), the app (KEY, SECRET), the account (EMAIL,
// PASSWORD), and what is exported (OBJECTS, WHERE). For each format an export is created, watched,
// listed, downloaded and deleted; the line that is printed for it tells its format and its bytes.

const assert = require('assert')
const { Client } = require('@medable/mdctl-api')

const env = process.env
const formats = ['application/x-ndjson', 'application/json', 'text/csv']

function connect(how) {
  const credentials = how === 'signature'
    ? { type: 'signature', apiKey: env.KEY, apiSecret: env.SECRET }
    : { type: 'password', apiKey: env.KEY, username: env.EMAIL, password: env.PASSWORD }
  return new Client({ environment: { endpoint: env.BASE, env: env.ORG }, credentials })
}

async function ended(client, id) {
  const patience = Date.now() + 120000
  for (;;) {
    const state = await client.get(`/exports/${id}/state`)
    if (state !== 'pending' && state !== 'running') return state
    assert(Date.now() < patience, `export ${id} is ${state}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function refusal(promise) {
  return promise.then(found => assert.fail(`no fault: ${JSON.stringify(found)}`), fault => fault)
}

async function exported(client, format) {
  const wanted = { label: `as ${format}`, objects: env.OBJECTS, format, where: env.WHERE }
  const made = await client.post('/exports', wanted)
  assert.strictEqual(made.object, 'export')
  assert.match(made._id, /^[0-9a-f]{24}$/)
  assert.strictEqual(made.where, env.WHERE)
  assert.strictEqual(await ended(client, made._id), 'ready')

  const query = { limit: 1, where: { state: 'ready', label: wanted.label }, sort: { _id: -1 } }
  const page = await client.get('/exports', { query })
  assert.strictEqual(page.object, 'list')
  assert.deepStrictEqual(page.data.map(one => one._id), [made._id])
  assert.strictEqual(typeof page.hasMore, 'boolean')

  const changed = await client.put(`/exports/${made._id}`, { label: 'done' })
  assert.strictEqual(changed.label, 'done')

  const facet = await client.get(`/exports/${made._id}/dataFile/content`)
  assert.strictEqual(facet.object, 'facet')
  assert.strictEqual(facet.state, 2)
  assert.match(facet.filename, /\.zip$/)
  const answer = await fetch(facet.url)
  assert.strictEqual(answer.status, 200)
  const bytes = Buffer.from(await answer.arrayBuffer())
  assert.strictEqual(bytes.length, facet.size)
  assert.strictEqual(bytes.toString('latin1', 0, 4), 'PK\x03\x04')

  assert.strictEqual(await client.delete(`/exports/${made._id}`), true)
  const gone = await refusal(client.get(`/exports/${made._id}`))
  assert.strictEqual(gone.code, 'kNotFound')
  assert.strictEqual(gone.statusCode, 404)
  console.log(`${format} ${bytes.length}`)
}

async function run(how) {
  const client = connect(how)
  if (how === 'password') {
    const account = await client.post('/accounts/login', { email: env.EMAIL, password: env.PASSWORD })
    assert.strictEqual(account.email, env.EMAIL)
    assert.strictEqual((await client.get('/accounts/status')).loggedin, true)
  }
  for (const format of formats) await exported(client, format)
  const wrong = await refusal(client.post('/exports', { label: 'x', objects: 'c_nothing' }))
  assert.strictEqual(wrong.code, 'kInvalidObject')
  const query = await refusal(client.post('/exports', { label: 'x', objects: env.OBJECTS, where: 'x' }))
  assert.strictEqual(query.code, 'kInvalidArgument')
  if (how === 'password') {
    assert.strictEqual(await client.post('/accounts/me/logout'), true)
    const out = await refusal(client.get('/exports'))
    assert.match(out.code, /^k(NotLoggedIn|SessionExpired)$/)
  }
}

run(process.argv[2]).catch((error) => {
  console.error(error)
  process.exit(1)
})
