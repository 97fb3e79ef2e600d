//! `eval`: accuracy over folders of faces, against answers that Python worked out.

use crate::harness::{Scratch, data, model_file, moodlight};
use rstest::rstest;
use serde_json::{Value, json};

const EMOTIONS: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
const SIDE: u32 = 48;

/// What the golden logits of tests/data/vgg call each patch.
fn golden_calls(file: &str) -> Vec<usize> {
    let bytes = std::fs::read(data(file)).unwrap();
    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let top = |logits: &[f32; 7]| (0..7).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
    values.as_chunks().0.iter().map(top).collect()
}

/// The golden patches as pictures, patch `i` filed under class `i % 7`.
fn dataset() -> Scratch {
    let scratch = Scratch::new();
    let patches = std::fs::read(data("vgg/patches.u8")).unwrap();
    for (i, patch) in patches.chunks_exact((SIDE * SIDE) as usize).enumerate() {
        let name = scratch.write(&format!("{}/{i:02}.png", EMOTIONS[i % 7]), b"");
        image::save_buffer(name, patch, SIDE, SIDE, image::ExtendedColorType::L8).unwrap();
    }
    scratch
}

fn confusion(calls: &[usize]) -> Value {
    let mut counts = [[0; 7]; 7];
    for (i, &call) in calls.iter().enumerate() {
        counts[i % 7][call] += 1;
    }
    json!(counts)
}

fn eval(scratch: &Scratch, args: &[&str]) -> crate::harness::Ran {
    let folder = scratch.path("").display().to_string();
    moodlight(["eval", &folder].iter().chain(args))
}

#[test]
fn both_precisions_are_pythons_to_the_last_face() {
    let result = eval(&dataset(), &["--precision", "both", "--json"]).expect(0, &[]).json();
    let (f32, int8) = (golden_calls("vgg/f32.f32"), golden_calls("vgg/int8.f32"));
    assert_eq!((&result["images"], &result["skipped"]), (&json!(f32.len()), &json!(0)));
    assert_eq!(result["f32"]["confusion"], confusion(&f32));
    assert_eq!(result["int8"]["confusion"], confusion(&int8));
    let same = f32.iter().zip(&int8).filter(|(a, b)| a == b).count();
    assert_eq!(result["agreement"], json!(same as f64 / f32.len() as f64));
    let right = f32.iter().enumerate().filter(|(i, c)| i % 7 == **c).count();
    assert_eq!(result["f32"]["accuracy"], json!(right as f64 / f32.len() as f64));
    let classes: Vec<&String> = result["f32"]["per_class"].as_object().unwrap().keys().collect();
    assert_eq!(classes, EMOTIONS);
}

/// One file has one arithmetic, whether a manifest knows it or not.
#[rstest]
#[case::int8("vgg-light-int8.onnx", "int8", "f32")]
#[case::f32("vgg-f32.onnx", "f32", "int8")]
fn an_unlisted_file_is_run_in_its_own_precision(#[case] file: &str, #[case] own: &str, #[case] other: &str) {
    let (scratch, models) = (dataset(), Scratch::new());
    let empty_doc_string = [0x32u8, 0]; // protobuf's own, and enough to be in no manifest
    let bytes = [&std::fs::read(model_file(file)).unwrap()[..], &empty_doc_string].concat();
    let model = models.write("mine.onnx", &bytes);
    let args = ["--limit", "7", "--json", "--model", &model, "--precision"];
    let ran = eval(&scratch, &[&args[..], &["both"]].concat()).expect(0, &["no manifest lists this model"]);
    let result = ran.json();
    assert!(result[own]["accuracy"].is_number(), "{result:#}");
    assert!(result.get(other).is_none() && result.get("agreement").is_none(), "{result:#}");
    let refusal = format!(
        "\"mine\" is the classifier in {own}, expected the classifier in {other} (--precision, or precision under \
         [model] in the config)"
    );
    eval(&scratch, &[&args[..], &[other]].concat()).expect(1, &[refusal.as_str()]);
}

#[test]
fn odd_things_in_the_folder_are_named_and_left_out() {
    let scratch = dataset();
    scratch.write("bored/1.png", b"x");
    scratch.write("happy/notes.txt", b"x");
    scratch.write("happy/broken.png", b"\x89PNG\r\n\x1a\nbroken");
    scratch.write("sad/empty.jpg", b"");
    std::fs::remove_dir_all(scratch.path("fear")).unwrap();
    let ran = eval(&scratch, &["--json"])
        .expect(0, &["\"bored\" is no class", "no pictures for fear", "broken.png"]);
    let result = ran.json();
    assert_eq!(result["skipped"], 2);
    assert_eq!(result["unknown_folders"], json!(["bored"]));
    assert_eq!(result["missing_classes"], json!(["fear"]));
}

#[rstest]
#[case::missing("no/such/folder", &["no/such/folder", "sub-folder for each class"])]
#[case::none_readable("only_broken", &["none of its pictures could be read", "x.png"])]
#[case::no_classes("nothing", &["no labelled picture", "angry disgust fear"])]
fn a_folder_without_a_readable_face_is_1(#[case] folder: &str, #[case] words: &[&str]) {
    let scratch = Scratch::new();
    scratch.write("only_broken/happy/x.png", b"no picture");
    scratch.write("nothing/holidays/x.png", b"x");
    moodlight(["eval", &scratch.path(folder).display().to_string()]).expect(1, words);
}

#[test]
fn a_limit_is_kept_and_tta_changes_scores_not_counts() {
    let scratch = dataset();
    let of = |tta: &str| eval(&scratch, &["--limit", "7", "--tta", tta, "--json"]).expect(0, &[]).json();
    let (plain, few) = (of("none"), of("flip"));
    let total: u64 = few["int8"]["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r.as_array().unwrap())
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!((&few["images"], total), (&json!(7), 7));
    // Made from the scores themselves, so that it tells whether they changed.
    assert_ne!(few["int8"]["calibration_error"], plain["int8"]["calibration_error"]);
}

#[test]
fn spoiling_is_the_same_every_time() {
    let scratch = dataset();
    let args = ["--corrupt", "noise:5", "--json"];
    let first = eval(&scratch, &args).expect(0, &[]);
    assert_eq!(first.stdout, eval(&scratch, &args).stdout);
    assert_ne!(first.stdout, eval(&scratch, &["--json"]).stdout);
}

#[test]
fn faces_are_found_again_on_a_canvas() {
    let scratch = Scratch::new();
    let photo = image::open(data("happy_astronaut.png")).unwrap();
    let face = photo.crop_imm(165, 60, 120, 120).to_luma8();
    scratch.write("happy/a.png", b"");
    face.save(scratch.path("happy/a.png")).unwrap();
    let coffee = image::open(data("coffee.png")).unwrap().to_luma8();
    coffee.save(scratch.path("happy/coffee.png")).unwrap();
    let result = eval(&scratch, &["--detect", "--json"]).expect(0, &[]).json();
    assert_eq!((&result["images"], &result["found"]), (&json!(2), &json!(1)));
    assert_eq!(result["detection_rate"], 0.5);
    assert_eq!(
        (&result["int8"]["accuracy"], &result["int8"]["accuracy_with_misses"]),
        (&json!(1.0), &json!(0.5))
    );
}

#[test]
fn the_report_needs_nothing_else() {
    let scratch = dataset();
    let out = scratch.path("report");
    eval(&scratch, &["--precision", "both", "--limit", "14", "--report", &out.display().to_string()])
        .expect(0, &["accuracy"]);
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 6, "confusion, classes and calibration for each precision");
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(page.contains("data:image/png;base64,"));
    for outside in ["src=\"http", "href=\"http", "<script", "<link", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_patches_written_are_the_ones_classified() {
    let (scratch, out) = (dataset(), Scratch::new());
    let patches = out.path("patches").display().to_string();
    let spoilt =
        eval(&scratch, &["--corrupt", "blur:3", "--json", "--patches", &patches]).expect(0, &[]).json();
    let again = moodlight(["eval", &patches, "--json"]).expect(0, &[]).json();
    assert_eq!(spoilt, again);
}

/// Said before hours of work, not after.
#[rstest]
#[case::report("--report")]
#[case::patches("--patches")]
fn a_folder_that_cannot_be_written_is_2(#[case] flag: &str) {
    let scratch = dataset();
    let below_a_file = scratch.write("notes.txt", b"x") + "/out";
    let ran =
        eval(&scratch, &[flag, &below_a_file]).expect(2, &[flag, &below_a_file, "cannot be written to"]);
    assert!(ran.stdout.is_empty(), "{ran:#?}");
}

#[test]
fn a_report_that_fails_at_the_end_leaves_the_figures() {
    let (scratch, out) = (dataset(), Scratch::new());
    out.write("index.html/in_its_place", b"");
    let folder = out.path("").display().to_string();
    let ran = eval(&scratch, &["--limit", "7", "--json", "--report", &folder])
        .expect(1, &["--report", "index.html"]);
    assert_eq!(ran.json()["images"], 7);
}

#[test]
fn patches_are_not_written_among_other_files() {
    let scratch = dataset();
    let folder = scratch.path("").display().to_string();
    eval(&scratch, &["--patches", &folder]).expect(2, &["--patches", "not empty", "name a new one"]);
}
