#include "sim/html.h"

#include "core/base/mem.h"
#include "core/wire/frame.h"
#include "sim/copies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rows of the table; a run has some thousand. More are counted. */
#define ROWS_MAX 20000

/* Messages of the diagram: some 20 MB of page. More are counted. */
#define MESSAGES_MAX 100000

/* Looks at the copies over the whole run. */
#define SAMPLES 300

struct sim_html {
    struct sim_run *run;
    FILE *spool; /* messages wait here for the page; NULL: no room for a temporary file */
    uint32_t messages;
    uint64_t messages_more;
    struct dfs_arena arena;
    union dfs_any_message decoded;
    json_t *rows;    /* [ms, kind, host, words] */
    json_t *spans;   /* [host number, from ms, to ms, state] */
    json_t *samples; /* [ms, blocks, whole, under, lost, active] */
    uint64_t rows_more;
    dfs_time_ns sample_next; /* of the scenario */
    dfs_time_ns *since;      /* by host number: when its state began */
    const char **state;
};

static double ms_of(dfs_time_ns at)
{
    return (double)at / 1e6;
}

static void row(struct sim_html *html, struct sim_run *run, const char *kind, const char *host, const char *words)
{
    if (json_array_size(html->rows) >= ROWS_MAX) {
        html->rows_more++;
        return;
    }
    (void)json_array_append_new(html->rows, json_pack("[f,s,s,s]", ms_of(sim_run_time(run)), kind, host, words));
}

static const char *host_name(const struct sim_host *host)
{
    return host == NULL ? "" : sim_host_name(host);
}

static const char *node_name(struct sim_run *run, const struct dfs_id *id)
{
    const struct sim_node *node = sim_cluster_data_by_id(run->cluster, id);

    return node == NULL ? "?" : sim_host_name(node->host);
}

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    char words[256];

    if (run->zero == DFS_NEVER)
        return;
    switch ((int)trace->kind) {
    case DFS_TRACE_EVICTED:
    case DFS_TRACE_JOINED:
    case DFS_TRACE_SUSPECTED:
        (void)snprintf(words, sizeof words, "%s, incarnation %" PRIu64, node_name(run, &trace->node), trace->a);
        break;
    case DFS_TRACE_FENCED:
        (void)snprintf(words, sizeof words, "lost metadata's lease");
        break;
    case DFS_TRACE_REPAIR_STARTED:
    case DFS_TRACE_REPAIR_DONE:
        (void)snprintf(words, sizeof words, "block %u: %s -> %s%s%s", trace->block.index, node_name(run, &trace->node2),
                       node_name(run, &trace->node), trace->kind == DFS_TRACE_REPAIR_DONE ? " " : "",
                       trace->kind == DFS_TRACE_REPAIR_DONE ? dfs_status_name(trace->status) : "");
        break;
    case DFS_TRACE_COMMITTED:
    case DFS_TRACE_REMOVED:
        (void)snprintf(words, sizeof words, "%.200s", trace->text == NULL ? "" : trace->text);
        break;
    case DFS_TRACE_NOTE:
        (void)snprintf(words, sizeof words, "%s: %.200s", dfs_status_name(trace->status),
                       trace->text == NULL ? "" : trace->text);
        break;
    default:
        (void)snprintf(words, sizeof words, "block %u %s", trace->block.index,
                       trace->status == DFS_OK ? "" : dfs_status_name(trace->status));
        break;
    }
    row(state, run, dfs_trace_name(trace->kind), host_name(host), words);
}

static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    char words[512];
    char client[16];

    if (operation->answered_at == DFS_NEVER)
        return;
    (void)snprintf(client, sizeof client, "c%u", operation->client + 1);
    (void)snprintf(words, sizeof words, "%.200s %s after %.1f ms%s%.200s",
                   operation->path == NULL ? "" : operation->path->name, dfs_status_name(operation->status),
                   ms_of(operation->answered_at - operation->asked_at),
                   operation->status != DFS_OK && result != NULL ? ": " : "",
                   operation->status != DFS_OK && result != NULL ? result->words : "");
    row(state, run, sim_operation_name(operation->kind), client, words);
}

static void on_fault(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault,
                     struct sim_host *host, bool begins)
{
    char words[64];

    (void)snprintf(words, sizeof words, "%s (fault %zu) %s", sim_fault_name(fault->kind), index,
                   begins ? "begins" : "is undone");
    row(state, run, "fault", host_name(host), words);
}

static void span(struct sim_html *html, uint32_t number, dfs_time_ns from, dfs_time_ns to, const char *what)
{
    if (what != NULL && to > from)
        (void)json_array_append_new(html->spans, json_pack("[i,f,f,s]", (int)number, ms_of(from), ms_of(to), what));
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    static const char *const states[] = {[SIM_HOST_STARTED] = "up",
                                         [SIM_HOST_CRASHED] = "down",
                                         [SIM_HOST_STOPPED] = "down",
                                         [SIM_HOST_PAUSED] = "paused",
                                         [SIM_HOST_RESUMED] = "up"};
    static const char *const words[] = {[SIM_HOST_STARTED] = "started",
                                        [SIM_HOST_CRASHED] = "crashed",
                                        [SIM_HOST_STOPPED] = "stopped",
                                        [SIM_HOST_PAUSED] = "paused",
                                        [SIM_HOST_RESUMED] = "goes on"};
    struct sim_html *html = state;
    const uint32_t number = sim_run_host_number(run, host);

    if (number == UINT32_MAX)
        return;
    span(html, number, html->since[number], sim_run_time(run), html->state[number]);
    html->since[number] = sim_run_time(run);
    html->state[number] = states[change];
    if (run->zero != DFS_NEVER)
        row(html, run, "host", host_name(host), words[change]);
}

static void sample(struct sim_html *html, struct sim_run *run)
{
    struct sim_copies_count count;

    sim_copies_look(run, NULL, &count);
    (void)json_array_append_new(html->samples,
                                json_pack("[f,I,I,I,I,i]", ms_of(sim_run_time(run)), (json_int_t)count.blocks,
                                          (json_int_t)count.whole, (json_int_t)count.under, (json_int_t)count.lost,
                                          (int)count.active));
}

static void after_step(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_event *event,
                       dfs_time_ns deadline)
{
    struct sim_html *html = state;
    const dfs_time_ns now = sim_run_time(run);

    (void)host, (void)event, (void)deadline;
    if (run->zero == DFS_NEVER || now < html->sample_next)
        return;
    html->sample_next = now + (dfs_duration_ns)run->scenario->duration_ns / SAMPLES;
    sample(html, run);
}

static void on_end(struct sim_run *run, void *state, bool settled)
{
    (void)settled;
    sample(state, run);
}

static void on_init(struct sim_run *run, void *state)
{
    struct sim_html *html = state;
    const uint32_t count = 2 + run->cluster->options.data + run->cluster->options.clients;

    html->since = dfs_alloc_zero(count * sizeof *html->since);
    html->state = dfs_alloc_zero(count * sizeof(const char *));
}

/* Messages -------------------------------------------------------------------------------------------------------------------- */

static void message_words(struct sim_html *html, const struct sim_message *message, char *text, size_t room)
{
    struct dfs_frame frame;

    if (message->head_bytes < DFS_FRAME_HEADER_BYTES || dfs_frame_decode(message->head, &frame) != DFS_OK) {
        (void)snprintf(text, room, "%zu bytes that are no frame", message->head_bytes);
        return;
    }
    struct dfs_rd body =
        dfs_rd_make(message->head + DFS_FRAME_HEADER_BYTES, message->head_bytes - DFS_FRAME_HEADER_BYTES);

    dfs_arena_reset(&html->arena);
    if (dfs_decode(dfs_message_layout(frame.type), &body, &html->arena, &html->decoded) != DFS_OK)
        (void)snprintf(text, room, "%s that does not decode", dfs_message_name(frame.type));
    else
        (void)dfs_print(dfs_message_layout(frame.type), &html->decoded, text, room);
}

static void message_spool(struct sim_html *html, const struct sim_message *message, bool lost)
{
    const dfs_time_ns zero = html->run->zero;
    const dfs_time_ns now = sim_world_now(html->run->world);
    const uint32_t from = sim_run_host_number(html->run, message->from);
    const uint32_t to = message->to == NULL ? UINT32_MAX : sim_run_host_number(html->run, message->to);
    char text[400];

    if (zero == DFS_NEVER || message->sent_at < zero || from == UINT32_MAX || to == UINT32_MAX)
        return;
    if (html->spool == NULL || html->messages >= MESSAGES_MAX) {
        html->messages_more++;
        return;
    }
    message_words(html, message, text, sizeof text);
    (void)fprintf(html->spool, "%s[%" PRIu64 ",%" PRIu64 ",%u,%u,%d,\"", html->messages++ == 0 ? "" : ",\n",
                  (message->sent_at - zero) / 1000, (now - message->sent_at) / 1000, from, to, lost);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == '"' || *at == '\\' || *at == '<')
            (void)fprintf(html->spool, "\\u%04x", *at);
        else
            (void)fputc(*at, html->spool);
    }
    (void)fputs("\"]", html->spool);
}

static void on_delivered(void *arg, const struct sim_message *message)
{
    message_spool(arg, message, false);
}

static void on_lost(void *arg, const struct sim_message *message)
{
    message_spool(arg, message, true);
}

/* The messages onto the page. */
static bool messages_write(const struct sim_html *html, FILE *out)
{
    char bytes[65536];
    size_t count;

    if (html->spool == NULL)
        return true;
    if (fflush(html->spool) != 0 || ferror(html->spool) != 0)
        return false;
    rewind(html->spool);
    while ((count = fread(bytes, 1, sizeof bytes, html->spool)) > 0)
        (void)fwrite(bytes, 1, count, out);
    return ferror(html->spool) == 0;
}

static const struct sim_hooks hooks = {
    .init = on_init,
    .traces = 1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_JOINED | 1u << DFS_TRACE_SUSPECTED | 1u << DFS_TRACE_FENCED |
              1u << DFS_TRACE_REPAIR_STARTED | 1u << DFS_TRACE_REPAIR_DONE | 1u << DFS_TRACE_BRAKE_ON |
              1u << DFS_TRACE_BRAKE_OFF | 1u << DFS_TRACE_BLOCK_BAD | 1u << DFS_TRACE_TRIMMED |
              1u << DFS_TRACE_TOKEN_REFUSED | 1u << DFS_TRACE_CHECKPOINT | 1u << DFS_TRACE_COMMITTED |
              1u << DFS_TRACE_REMOVED | 1u << DFS_TRACE_FRAME_BAD | 1u << DFS_TRACE_NOTE,
    .trace = on_trace,
    .steps = UINT32_MAX,
    .after_step = after_step,
    .answered = on_answered,
    .fault = on_fault,
    .host_changed = on_host,
    .end = on_end};

struct sim_html *sim_html_attach(struct sim_run *run)
{
    struct sim_html *html = dfs_alloc_zero(sizeof *html);

    const struct sim_observer observer = {
        .arg = html, .frame_delivered = on_delivered, .datagram_delivered = on_delivered, .datagram_lost = on_lost};

    html->run = run;
    html->spool = tmpfile();
    dfs_arena_init(&html->arena, DFS_DECODE_BYTES_MAX);
    sim_world_observe(run->world, &observer);
    html->rows = json_array();
    html->spans = json_array();
    html->samples = json_array();
    sim_run_listen(run, "html", &hooks, html);
    return html;
}

void sim_html_free(struct sim_html *html)
{
    if (html == NULL)
        return;
    if (html->spool != NULL)
        (void)fclose(html->spool);
    dfs_arena_close(&html->arena);
    json_decref(html->rows);
    json_decref(html->spans);
    json_decref(html->samples);
    dfs_free(html->since);
    dfs_free(html->state);
    dfs_free(html);
}

/* The page ------------------------------------------------------------------------------------------------------------------- */

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>dfs-sim</title><style>"
    ":root{--ok:#2a9d5c;--bad:#c8363f;--warn:#d9922e;--ink:#1d2430;--soft:#667085;--line:#e3e6ec}"
    "body{font:14px/1.45 system-ui,sans-serif;color:var(--ink);margin:0 auto;max-width:1200px;padding:24px}"
    "h1{font-size:20px;margin:0 0 4px}h2{font-size:15px;margin:28px 0 8px}.soft{color:var(--soft)}"
    ".verdict{display:inline-block;padding:1px 10px;border-radius:10px;color:#fff;font-weight:600}"
    ".cards{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0}.card{border:1px solid var(--line);border-radius:8px;padding:8px 14px}"
    ".card b{display:block;font-size:18px}svg{width:100%;display:block}table{border-collapse:collapse;width:100%;font-size:13px}"
    "td,th{padding:3px 8px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}td:first-child{text-align:right;white-space:nowrap}"
    "tr.bad td{background:#fdeeee}input,select{font:inherit;padding:4px 8px;border:1px solid var(--line);border-radius:6px;margin-right:8px}"
    ".viol{border-left:4px solid var(--bad);background:#fdeeee;padding:6px 12px;margin:6px 0}"
    "</style></head><body><div id=\"top\"></div><h2>Messages</h2><div class=\"soft\">hosts are lanes; wheel: zoom, drag: pan, click: fields; keys: arrows + - 0; #t=SECONDS goes there; dashed "
    "red with a cross: lost</div><div><input id=\"mfind\" aria-label=\"filter of messages\" placeholder=\"filter: d3 HEARTBEAT lost\" size=\"40\"><span id=\"mcount\" "
    "class=\"soft\"></span></div><canvas id=\"lanes\" tabindex=\"0\" role=\"img\" aria-label=\"space-time diagram of the messages\" "
    "style=\"width:100%\"></canvas><pre id=\"fields\" aria-live=\"polite\" style=\"white-space:pre-wrap\"></pre><h2>Hosts</h2><div class=\"soft\">green: up, orange: paused, red: down; marks: evictions, repairs done, "
    "violations</div><svg id=\"hosts\"></svg><h2>Copies of blocks</h2><div class=\"soft\">green: all copies there, orange: fewer, red: no good copy on any "
    "disk</div><svg id=\"copies\"></svg><h2>Events</h2><div><input id=\"find\" placeholder=\"filter: d3, evicted, a/one\" size=\"32\"><select "
    "id=\"kind\"><option value=\"\">all kinds</option></select><span id=\"count\" class=\"soft\"></span></div><table><thead><tr><th>ms</th><th>what</th>"
    "<th>host</th><th></th></tr></thead><tbody id=\"rows\"></tbody></table><script id=\"data\" type=\"application/json\">";

static const char page_tail[] =
    "</script><script>\n"
    "const d=JSON.parse(document.getElementById('data').textContent),$=i=>document.getElementById(i),r=d.result;\n"
    "const esc=s=>String(s).replace(/[&<>\"]/g,c=>({'&':'&amp;','<':'&lt;','>':'&gt;','\"':'&quot;'}[c]));\n"
    "const colour={pass:'var(--ok)',vacuous:'var(--warn)',stuck:'var(--warn)'}[r.verdict]||'var(--bad)';\n"
    "const card=(a,b)=>`<div class=card><b>${esc(a)}</b>${esc(b)}</div>`;\n"
    "const sum=o=>Object.values(o||{}).reduce((s,x)=>[s[0]+x.ok,s[1]+x.failed],[0,0]);const ops=sum(r.operations);\n"
    "$('top').innerHTML=`<h1>${esc(r.scenario)} <span class=verdict style='background:${colour}'>${esc(r.verdict)}</span></h1>"
    "<div class=soft>${esc(d.description)}</div><div class=cards>`+card(r.seed,'seed')+card((r.virtual_ms/1000).toFixed(1)+' s','virtual time')"
    "+card(r.events.toLocaleString(),'events')+card(r.messages.toLocaleString(),'messages')+card(ops[0]+' / '+ops[1],'operations ok / failed')"
    "+card(r.evictions.length,'evictions')+card(r.repairs.copies,'copies repaired')+card(r.trace_hash,'trace hash')+'</div>'"
    "+(d.reason?`<div class=viol>${esc(d.reason)}</div>`:'')"
    "+r.violations.map(v=>`<div class=viol><b>${esc(v.checker)}</b> at ${v.at_ms} ms ${esc(v.host||'')}: ${esc(v.message)}</div>`).join('')"
    "+r.expectations.filter(e=>!e.ok).map(e=>`<div class=viol><b>expectation ${e.index}</b>: ${esc(e.message||'')}</div>`).join('');\n"
    "const T=Math.max(d.end_ms,1),W=1150,L=60,x=t=>L+(W-L)*Math.max(0,Math.min(t,T))/T;\n"
    "const axis=h=>{let s='';const step=Math.pow(10,Math.floor(Math.log10(T/5)))*[1,2,5].find(k=>T/(k*Math.pow(10,Math.floor(Math.log10(T/5))))<=12)||T;"
    "for(let t=0;t<=T;t+=step)s+=`<line x1=${x(t)} x2=${x(t)} y1=0 y2=${h} stroke=var(--line) /><text x=${x(t)+2} y=${h+11} font-size=10 fill=var(--soft)>${t/1000} s</text>`;return s};\n"
    "{const rh=14,h=d.hosts.length*rh;let s=axis(h);const tone={up:'#bfe3cd',paused:'#f3d3a4',down:'#f0b7ba'};\n"
    "d.hosts.forEach((n,i)=>s+=`<text x=4 y=${i*rh+11} font-size=11>${esc(n)}</text>`);\n"
    "d.spans.forEach(([n,a,b,k])=>s+=`<rect x=${x(a)} width=${Math.max(1,x(b)-x(a))} y=${n*rh+2} height=${rh-4} fill=${tone[k]}><title>${esc(d.hosts[n])} ${k} ${a}..${b} ms</title></rect>`);\n"
    "const at=n=>d.hosts.indexOf(n);r.evictions.forEach(e=>{const i=at(e.host);s+=`<circle cx=${x(e.at_ms)} cy=${i*rh+rh/2} r=4 fill=var(--bad)><title>${esc(e.host)} evicted at ${e.at_ms} ms</title></circle>`});\n"
    "d.rows.filter(w=>w[1]=='repair_done').forEach(w=>s+=`<line x1=${x(w[0])} x2=${x(w[0])} y1=${rh+2} y2=${2*rh-2} stroke=#2a6fdb />`);\n"
    "r.violations.forEach(v=>s+=`<line x1=${x(v.at_ms)} x2=${x(v.at_ms)} y1=0 y2=${h} stroke=var(--bad) stroke-width=2><title>${esc(v.checker)}: ${esc(v.message)}</title></line>`);\n"
    "const g=$('hosts');g.setAttribute('viewBox',`0 0 ${W} ${h+16}`);g.innerHTML=s}\n"
    "{const H=120,m=Math.max(1,...d.samples.map(q=>q[1])),y=v=>H-H*v/m;let s=axis(H);\n"
    "const area=(f,c)=>{if(!d.samples.length)return'';let p=`M${x(d.samples[0][0])},${H}`,v=0;d.samples.forEach(q=>{p+=`L${x(q[0])},${y(v)}`;v=f(q);p+=`L${x(q[0])},${y(v)}`});"
    "return`<path d='${p}L${x(d.samples.at(-1)[0])},${H}Z' fill='${c}'/>`};\n"
    "s+=area(q=>q[1],'#bfe3cd')+area(q=>q[3],'#f0b562')+area(q=>q[4],'#c8363f')+`<text x=4 y=11 font-size=11>${m}</text><text x=4 y=${H} font-size=11>0</text>`;\n"
    "const g=$('copies');g.setAttribute('viewBox',`0 0 ${W} ${H+16}`);g.innerHTML=s}\n"
    "[...new Set(d.rows.map(w=>w[1]))].sort().forEach(k=>$('kind').insertAdjacentHTML('beforeend',`<option>${esc(k)}</option>`));\n"
    "const show=()=>{const f=$('find').value.toLowerCase(),k=$('kind').value;const hit=d.rows.filter(w=>(!k||w[1]==k)&&(!f||w.join(' ').toLowerCase().includes(f)));\n"
    "$('rows').innerHTML=hit.slice(0,2000).map(w=>`<tr class='${/evicted|fault|bad/.test(w[1])?'bad':''}'><td>${w[0].toFixed(3)}</td><td>${esc(w[1])}</td><td>${esc(w[2])}</td><td>${esc(w[3])}</td></tr>`).join('');\n"
    "$('count').textContent=`${hit.length} of ${d.rows.length} events`+(hit.length>2000?', the first 2000 shown':'')+(d.rows_more?`; ${d.rows_more} more were not kept`:'')};\n"
    "$('find').oninput=$('kind').onchange=show;show();\n"
    "</script>\n";

/* JSON inside a script element: "</" would end it. */
static bool json_write(FILE *file, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));

    if (text == NULL)
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '<')
            (void)fputs("\\u003c", file);
        else
            (void)fputc(*at, file);
    }
    free(text);
    return ferror(file) == 0;
}

bool sim_html_write(const struct sim_html *html, const struct sim_run *run, const char *file)
{
    const uint32_t count = 2 + run->cluster->options.data + run->cluster->options.clients;
    const dfs_time_ns end = sim_run_time(run);
    json_t *hosts = json_array();
    json_t *spans = json_deep_copy(html->spans);
    FILE *out = fopen(file, "w");

    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(hosts, json_string(sim_host_name(sim_run_host(run, i))));
        if (html->state[i] != NULL)
            (void)json_array_append_new(
                spans, json_pack("[i,f,f,s]", (int)i, ms_of(html->since[i]), ms_of(end), html->state[i]));
    }
    json_t *data = json_pack("{s:o, s:s, s:s, s:f, s:o, s:o, s:O, s:O, s:I, s:I}", "result", sim_run_json(run),
                             "description", run->scenario->description, "reason", run->reason, "end_ms", ms_of(end),
                             "hosts", hosts, "spans", spans, "samples", html->samples, "rows", html->rows, "rows_more",
                             (json_int_t)html->rows_more, "messages_more", (json_int_t)html->messages_more);
    bool written = false;

    if (out != NULL) {
        (void)fputs(page_head, out);
        written = json_write(out, data);
        (void)fputs(page_tail, out);
        (void)fputs("<script id=\"messages\" type=\"application/json\">[", out);
        written &= messages_write(html, out);
        (void)fputs("]</script><script>", out);
        (void)fputs(sim_spacetime_js, out);
        (void)fputs("</script></body></html>\n", out);
        written &= ferror(out) == 0;
        written &= fclose(out) == 0;
    }
    json_decref(data);
    return written;
}
